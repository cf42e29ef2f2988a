"""Audit, explanations, cards, promotion and erasure over a life that was really lived."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import Here, copy_of

pytestmark = pytest.mark.long
TRUST = Path(__file__).with_name("trusted.py")


@pytest.fixture(scope="module")
def kept(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the lived project that may be changed, with a second target."""
    file = copy_of(lived, tmp_path_factory.mktemp("kept") / "project")
    more = '\n  other: {storage: .data/other, tracking: "sqlite:///.data/other.db"}\n'
    file.write_text(re.sub(r"(\n  local: \{.*?\}\n)", lambda match: match[1].rstrip("\n") + more, file.read_text()))
    return file


@pytest.fixture(scope="module")
def told(kept: Path, here: Here) -> dict[str, Any]:
    """Every question, by its name: what it was answered."""
    found: dict[str, Any] = json.loads(here(TRUST, kept).stdout.splitlines()[-1])
    return found


def test_the_ledger_is_intact(told: dict[str, Any]) -> None:
    found = told["verify"]
    assert found["intact"], found
    assert (found["unchained"], found["sessions"], found["forks"], len(found["heads"])) == (0, 1, 0, 1)
    assert found["records"] > 30


def test_a_prediction_is_traced_to_its_files(told: dict[str, Any]) -> None:
    [found] = told["prediction"]
    assert found["prediction"]["model_version"] == found["model"]["version"]
    assert found["scoring"]["step"] == "score"
    readings = found["data"]["sources"]["readings"]
    assert any(file["path"].endswith(f"{found['prediction']['interval']}.jsonl") for file in readings["files"])
    assert readings["expectations"]
    model = found["model"]
    assert model["training"]["rows"] > 0
    assert len(model["data"]["sources"]["readings"]["files"]) >= 2
    assert model["decision"]["decision"] == "promote"
    assert [line["rule"] for line in model["evaluation"]["gate"]]


def test_a_file_is_traced_to_models_and_predictions(told: dict[str, Any]) -> None:
    found = told["source"]
    assert found["source"] == "readings"
    assert "1" in [each["version"] for each in found["models"]]
    assert found["predictions"]


def test_reasons_stand_beside_predictions(told: dict[str, Any]) -> None:
    found = told["explain"]
    assert found["rows"] == 48
    assert len(found["row"]["reasons"]) == 2
    assert set(found["summary"]["importance"]) >= {each["feature"] for each in found["row"]["reasons"]}
    assert sum(abs(each["contribution"]) for each in found["row"]["reasons"]) > 0


def test_every_version_has_its_card(told: dict[str, Any], kept: Path) -> None:
    html, markdown = (Path(file).read_text() for file in told["card"]["files"])
    for text in ("buoy v1", "What it leans on", "Limits", "Where it comes from"):
        assert text in html
    assert "<script" not in html
    assert "http" not in re.sub(r"http-equiv|https?://(www\.)?w3\.org\S*", "", html)
    assert markdown.startswith("# buoy v1: model card")
    assert list((kept.parents[1] / ".data" / "buoy" / "models").rglob("card.html"))


def test_a_version_serves_where_it_was_promoted_to(told: dict[str, Any]) -> None:
    assert told["promote"]["already_there"] is False
    assert told["promote again"]["already_there"] is True
    assert told["promote"]["model_version"] == told["promote again"]["model_version"] == "1"
    assert told["other"]["decision"]["decision"] == "promote"
    assert told["other"]["imported"]["version"] == "1"
    assert told["other verify"]["intact"]


def test_a_person_is_erased(told: dict[str, Any]) -> None:
    dry, done = told["erase dry"], told["erase"]
    assert dry["tables"] == done["tables"]
    assert {"features", "labels", "raw_readings", "readings"} <= set(done["tables"])
    assert dry["models"] == done["models"] != []
    assert any(file.endswith(".jsonl") for file in done["files"])
    assert "no table has a row" in told["erase again"]
    assert told["verify after"]["intact"]


def test_what_vacuum_would_cost_is_foretold(told: dict[str, Any]) -> None:
    assert told["vacuum before"]["lost"] == []
    assert [each["version"] for each in told["vacuum after"]["lost"]] != []


def test_tampering_is_named(kept: Path, told: dict[str, Any]) -> None:
    found = told["tampered"]
    assert not found["intact"]
    assert found["problems"][0]["kind"] == "changed"
    assert found["problems"][0]["name"].startswith("evaluate")
    assert [each["operation"] for each in found["rewritten"]] == ["UPDATE"]


def test_the_jobs_say_it_readably(kept: Path, told: dict[str, Any], here: Here) -> None:
    done = here("jobs/audit.py", kept, "--verify", check=False)
    assert done.returncode == 1
    assert "NOT intact" in done.stdout
    assert "changed: evaluate" in done.stdout
