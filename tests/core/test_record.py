from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.gate import GateLine, GateResult
from perdure.core.record import LARGE, FileVersion, RunRecord, TableVersion, fingerprint, same_in_brief

text = st.text(max_size=20)
facts = st.dictionaries(text, st.none() | st.booleans() | st.integers() | text, max_size=4)


def record(**changes: object) -> RunRecord:
    values: dict[str, object] = {
        "run_id": "a" * 64,
        "pipeline": "p",
        "step": "train",
        "subject": "",
        "interval": "2013-01",
        "interval_start": "2013-01-01T00:00:00+00:00",
        "interval_end": "2013-02-01T00:00:00+00:00",
        "status": "done",
        "code_version": "c",
        "config": {"b": 1, "a": [2]},
        "seed": 42,
        "started_at": "2013-02-01T00:00:00+00:00",
        "seconds": 1.5,
        "who": "me@here",
        "target": "local",
        "inputs": (TableVersion("features", 3, None, "2013", None),),
        "files": (FileVersion("/x.csv", 10, 99),),
        "outputs": (TableVersion("profiles", 1, 17),),
        "gate": GateResult("g", (GateLine("r", False, "1", "< 1"),)),
    }
    return RunRecord(**{**values, **changes})  # type: ignore[arg-type]


@given(facts)
def test_records_survive_their_json(found: dict[str, object]) -> None:
    original = record(facts=found)
    assert RunRecord.from_json(original.to_json()) == original


def test_in_brief_a_record_is_the_same_and_fetches_what_is_large_once() -> None:
    original = record(facts={"rows": 3, "drift": {f"column {at}": at / 7 for at in range(LARGE // 10)}, "worst": []})
    asked = []

    def fetch() -> dict[str, object]:
        asked.append(1)
        return dict(original.facts)

    text = original.brief()
    assert len(text) < len(original.to_json()) - LARGE
    found = RunRecord.from_json(text, fetch)
    assert (found.facts["rows"], "drift" in found.facts, "more" in found.facts, len(found.facts)) == (3, True, False, 3)
    assert found.facts.get("more") is None
    assert list(found.facts) == ["rows", "worst", "drift"]
    assert not asked
    assert found == original
    assert found.to_json() == original.to_json()
    assert found.brief() == text
    assert len(asked) == 1
    with pytest.raises(ValueError, match="leaves out drift"):
        RunRecord.from_json(text)


def test_a_brief_says_what_its_record_says_or_is_found_out() -> None:
    large = {"drift": "x" * (LARGE + 1)}
    original = record(facts={"rows": 3, **large})
    text = original.to_json()
    assert same_in_brief(text, original.brief())
    assert same_in_brief(text, text)
    assert not same_in_brief(text, record(facts={"rows": 4, **large}).brief())
    assert not same_in_brief(text, record(facts={"rows": 3, **large}, status="refused").brief())
    assert not same_in_brief(text, original.brief().replace('["drift"]', '["other"]'))
    assert not same_in_brief(text, original.brief().replace('["drift"]', "[]"))


def test_fingerprints_ignore_key_order_and_see_every_value() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_only_critical_lines_refuse() -> None:
    warning = GateLine("r", False, "1", "0", "warning")
    assert GateResult("g", (warning,)).passed
    assert not GateResult("g", (warning, GateLine("s", False, "1", "0"))).passed
    assert GateResult("g", (warning,)).failures == (warning,)
