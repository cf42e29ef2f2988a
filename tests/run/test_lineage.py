"""What came of what, over a ledger made by hand: two sources, one static, features, a model, scorings."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.core.errors import UsageError
from perdure.core.record import FileVersion, RunRecord, TableVersion
from perdure.run import audit
from perdure.run.lineage import Lineage

from ..core.test_record import record


def month(number: int) -> str:
    return f"2013-{number:02d}-01T00:00:00+00:00"


def run(step: str, number: int | None, subject: str = "", **more: Any) -> RunRecord:
    spans = {} if number is None else {"interval": f"2013-{number:02d}", "interval_start": month(number),
                                       "interval_end": month(number + 1)}  # fmt: skip
    base = {"inputs": (), "outputs": (), "files": (), "gate": None, "facts": {}, "interval": "static",
            "interval_start": "", "interval_end": ""}  # fmt: skip
    return record(run_id=f"{step}-{subject}-{number}", step=step, subject=subject, **{**base, **spans, **more})


def out(table: str, version: int, number: int | None) -> tuple[TableVersion, ...]:
    bounds = (None, None) if number is None else (month(number), month(number + 1))
    return (TableVersion(table, version, 10, *bounds),)


def wish(table: str, version: int, since: int | None = None, until: int | None = None) -> TableVersion:
    return TableVersion(table, version, None, month(since) if since else None, month(until) if until else None)


@pytest.fixture
def records() -> list[RunRecord]:
    found = [run("ingest", None, "planes", files=(FileVersion("/d/planes.csv", 1, 1),),
                 outputs=out("raw_planes", 1, None)),
             run("validate", None, "planes", inputs=(wish("raw_planes", 1),), outputs=out("planes", 1, None),
                 facts={"rows_in": 5})]  # fmt: skip
    for n in (1, 2, 3):
        found += [
            run("ingest", n, "flights", files=(FileVersion(f"/d/2013-0{n}.csv", 1, 1),), outputs=out("raw", n, n)),
            run("validate", n, "flights", inputs=(wish("raw", n, n, n + 1),), outputs=out("flights", n, n)),
            run("featurize", n, inputs=(wish("flights", n, n, n + 1), wish("planes", 1)),
                outputs=out("features", n, n)),
        ]
        if n == 2:
            found += [
                run("train", n, inputs=(wish("features", 2, 1, 3),), facts={"model_version": "1", "rows": 20}),
                run("deploy", n, facts={"model_version": "1", "decision": "promote", "effective_from": month(3),
                                        "evaluate_run": "e"}),
            ]
    found.append(run("score", 3, inputs=(wish("features", 3, 3, 4),), facts={"model_version": "1"},
                     outputs=out("predictions", 1, 3)))  # fmt: skip
    return found


class Context:
    """What `audit.file` needs of one."""

    def __init__(self, records: list[RunRecord]) -> None:
        self.ledger = self
        self.records = records


def test_behind_a_training_are_its_months_alone(records: list[RunRecord]) -> None:
    lineage = Lineage(records)
    trained = lineage.training("1")
    assert trained is not None
    assert {name for name in lineage.behind(trained) if name.startswith("ingest")} == {
        "ingest-planes-None", "ingest-flights-1", "ingest-flights-2"}
    found = audit.data(lineage, trained)
    assert [file["path"] for file in found["sources"]["flights"]["files"]] == ["/d/2013-01.csv", "/d/2013-02.csv"]
    assert found["sources"]["planes"]["rows_in"] == 5


def test_what_was_written_again_later_is_not_behind_an_earlier_version(records: list[RunRecord]) -> None:
    again = run("featurize", 1, inputs=(), outputs=out("features", 9, 1))
    lineage = Lineage([*records, again])
    assert [each.run_id for each in lineage.writers(wish("features", 2, 1, 3))] == ["featurize--1", "featurize--2"]
    newest = lineage.writers(wish("features", 9, 1, 3))[0]
    assert newest.outputs[0].version == 9


def test_a_file_touches_what_came_of_it(records: list[RunRecord]) -> None:
    context: Any = Context(records)
    first = audit.file(context, "2013-01.csv")
    assert [each["version"] for each in first["models"]] == ["1"]
    assert [(each["by_its_rows"], each["by_its_model"]) for each in first["predictions"]] == [(False, True)]
    third = audit.file(context, "d/2013-03.csv")
    assert third["models"] == []
    assert [(each["by_its_rows"], each["by_its_model"]) for each in third["predictions"]] == [(True, False)]
    everything = audit.file(context, "planes.csv")["predictions"]
    assert [(each["by_its_rows"], each["by_its_model"]) for each in everything] == [(True, True)]
    with pytest.raises(UsageError, match=r"2013-09\.csv"):
        audit.file(context, "2013-09.csv")


def test_a_model_has_its_decision(records: list[RunRecord]) -> None:
    found = audit.model(Lineage(records), "1")
    assert found["decision"]["decision"] == "promote"
    assert found["evaluation"] is None
    assert audit.model(Lineage(records), "7")["training"] is None
