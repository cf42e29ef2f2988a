from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perdure.core.gate import GateLine, GateResult
from perdure.core.record import FileVersion, RunRecord, TableVersion, fingerprint

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


def test_fingerprints_ignore_key_order_and_see_every_value() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_only_critical_lines_refuse() -> None:
    warning = GateLine("r", False, "1", "0", "warning")
    assert GateResult("g", (warning,)).passed
    assert not GateResult("g", (warning, GateLine("s", False, "1", "0"))).passed
    assert GateResult("g", (warning,)).failures == (warning,)
