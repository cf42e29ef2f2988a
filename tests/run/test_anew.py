"""Lived again with another configuration, and then with the first one once more: what was asked for last stands."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from perdure.core import pipeline_file
from perdure.run.context import Context
from perdure.run.progress import Progress
from perdure.run.scratch import life

from .conftest import Here, copy_of
from .contents import OUTCOME, rows

pytestmark = pytest.mark.long
DAYS = ("2016-06-16", "2016-06-17", "2016-06-18", "2016-06-19")


@pytest.fixture
def file(lived: Path, tmp_path: Path) -> Path:
    return copy_of(lived, tmp_path / "project")


def runs(here: Here, job: str, *arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(here(f"jobs/{job}.py", *arguments, "--json").stdout)["runs"]
    return found


def test_what_was_replaced_is_done_again(spark: Any, file: Path, here: Here) -> None:
    """A step whose configuration is changed and changed back writes its first rows again; then it is done."""
    suite = file.parents[1] / "expectations" / "readings.json"
    first, said = rows(spark, file.parents[1], "readings"), suite.read_text()
    assert runs(here, "validate", file, "--interval", DAYS[1]) == []
    middle = sorted(json.loads(row)["temperature"] for row in first)[len(first) // 2]
    strict = json.loads(said)
    strict["expectations"].append({"type": "expect_column_values_to_be_between", "severity": "critical",
                                   "kwargs": {"column": "temperature", "max_value": middle, "mostly": 0}})  # fmt: skip
    suite.write_text(json.dumps(strict))
    here("jobs/validate.py", file, "--interval", DAYS[1])
    assert rows(spark, file.parents[1], "readings") != first
    suite.write_text(said)
    (again,) = runs(here, "validate", file, "--interval", DAYS[1])
    assert again["rerun_of"] is not None
    assert [plain(row) for row in rows(spark, file.parents[1], "readings")] == [plain(row) for row in first]
    assert runs(here, "validate", file, "--interval", DAYS[1]) == []


def plain(row: str) -> dict[str, Any]:
    """Less the run's id, which is another one."""
    return {name: value for name, value in json.loads(row).items() if name != "_run_id"}


def test_a_training_that_the_policy_no_longer_wants(spark: Any, lived: Path, file: Path, here: Here) -> None:
    """Its model neither serves nor keeps the champion's alias; under the first policy it does again."""
    wanted = file.read_text()
    later = (json.loads(here("jobs/history.py", file, "--champion-at", "2016-06-20", "--json").stdout))["champion"]
    first = rows(spark, file.parents[1], "decisions")
    file.write_text(re.sub(r"\{age: .*?\}", "{age: 7 days}", wanted))
    here("jobs/run.py", file)
    decided = {run["interval"]: run["facts"]["decision"] for run in runs_of(here, file, "retrain")}
    assert [decided[day] for day in DAYS] == ["keep", "train", "keep", "keep"]
    assert serving(here, file) == ("1", "1") != (later, later)
    told = [json.loads(row) for row in rows(spark, file.parents[1], "alias_history")]
    assert [(row["model_version"], row["previous_version"]) for row in told if row["reason"].startswith("undo")] == [
        ("1", later)]
    assert runs(here, "run", file) == []
    with Context(pipeline_file.load(file), spark, Progress(silent=True), str(file)) as context:
        told_of = life(context, "now")
    assert (told_of.trainings, told_of.promotions) == (1, 1), "what was undone doesn't count"

    file.write_text(wanted)
    here("jobs/run.py", file)
    assert serving(here, file) == (later, later)
    assert len(rows(spark, file.parents[1], "decisions")) > len(first)
    assert runs(here, "run", file) == []
    for table in set(OUTCOME) - {"decisions", "alias_history"}:
        found, expected = (rows(spark, project, table) for project in (file.parents[1], lived.parents[1]))
        assert [plain(row) for row in found] == [plain(row) for row in expected], table


def test_a_column_that_the_features_lose(file: Path, here: Here) -> None:
    """Its model doesn't go on without it, and the next one doesn't learn from it."""
    sql = file.parent / "buoy" / "features.sql"
    sql.write_text(sql.read_text().replace("  mean,\n", ""))
    here("jobs/featurize.py", file, "--interval", DAYS[3])
    refused = here("jobs/score.py", file, "--interval", DAYS[3], check=False)
    assert refused.returncode == 1
    assert "v1 learnt from mean, which the features of 2016-06-19 don't have any more" in refused.stderr
    trained = here("jobs/train.py", file, "--interval", DAYS[3])
    assert "left out: 2016-06-19 has no mean among its features any more" in trained.stderr
    facts = runs_of(here, file, "train")[-1]["facts"]
    assert facts["left_out"] == ["mean"]
    assert "mean" not in facts["columns"] and "slope" in facts["columns"]


def runs_of(here: Here, file: Path, step: str) -> list[dict[str, Any]]:
    """A step's runs, oldest first."""
    told = json.loads(here("jobs/history.py", file, "--step", step, "--json").stdout)
    return sorted(told, key=lambda run: str(run["started_at"]))


def serving(here: Here, file: Path) -> tuple[str, str]:
    """The champion after the last day by the ledger, and by the tracking server."""
    told = json.loads(here("jobs/history.py", file, "--champion-at", "2016-06-20", "--json").stdout)
    with sqlite3.connect(file.parents[1] / ".data" / "mlflow.db") as database:
        ((version,),) = database.execute("SELECT version FROM registered_model_aliases WHERE alias = 'champion'")
    return told["champion"], str(version)
