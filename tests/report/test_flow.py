from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perdure.core.gate import GateLine, GateResult
from perdure.core.record import RunRecord, TableVersion
from perdure.report.data import PipelineFacts, ReportData
from perdure.report.flow import graph, quality, rule, steps
from perdure.report.timeline import Timeline

MakeRun = Callable[..., RunRecord]


def wrote(**rows: int) -> tuple[TableVersion, ...]:
    return tuple(TableVersion(table, 1, count) for table, count in rows.items())


def found(kind: str, count: int, **kwargs: Any) -> dict[str, Any]:
    return {"expectation_config": {"type": kind, "kwargs": kwargs}, "result": {"unexpected_count": count}}


def checked(make_run: MakeRun, interval: str, started: str, bad: int) -> RunRecord:
    results = [found("expect_column_values_to_not_be_null", bad, column="tailnum"), found("expect_x", 0, column="c")]
    facts = {"rows_in": 100, "duplicates": 1, "result": {"results": results}}
    return make_run("validate", interval, subject="s", started_at=started, facts=facts,
                    outputs=wrote(s=99 - bad, s_quarantine=bad + 1))  # fmt: skip


def data_of(*runs: RunRecord) -> ReportData:
    return ReportData(PipelineFacts("p", sources=("s",)), "", runs=runs)


def test_a_repeated_run_counts_once_with_what_it_wrote_last(make_run: MakeRun) -> None:
    data = data_of(checked(make_run, "2013-01", "2", 5), checked(make_run, "2013-01", "1", 50),
                   checked(make_run, "2013-02", "3", 2))  # fmt: skip
    (view,) = quality(data, Timeline.of(data))
    assert (view.rows_in, view.good, view.quarantined, view.rules) == (200, 191, 9, 2)
    assert view.reasons == (("tailnum is empty", 7), ("the key came before", 2))
    assert [(cell.period.first, cell.quarantined) for cell in view.periods] == [("2013-01", 6), ("2013-02", 3)]


def test_rows_in_come_from_the_ingest_where_the_check_has_not_counted(make_run: MakeRun) -> None:
    ingest = make_run("ingest", "2013-01", subject="s", outputs=wrote(raw_s=30))
    check = make_run("validate", "2013-01", subject="s", outputs=wrote(s=20, s_quarantine=1))
    data = data_of(ingest, check)
    assert quality(data, Timeline.of(data))[0].rows_in == 30
    alone = data_of(check)
    assert quality(alone, Timeline.of(alone))[0].rows_in == 21


def test_a_refused_source_names_the_rules_that_failed(make_run: MakeRun) -> None:
    gate = GateResult("validate", (GateLine("row count", False, "0", "at least 1"), GateLine("other", True, "", "")))
    data = data_of(make_run("validate", "2013-01", subject="s", status="refused", gate=gate))
    (view,) = quality(data, Timeline.of(data))
    assert (view.refused, view.reasons) == (1, (("row count", 1),))


def test_static_sources_have_a_row_of_their_own(make_run: MakeRun) -> None:
    data = data_of(checked(make_run, "", "1", 3))
    assert [cell.period.first for cell in quality(data, Timeline.of(data))[0].periods] == [""]


@pytest.mark.parametrize(
    ("kind", "kwargs", "words"),
    [
        (
            "expect_column_values_to_be_between",
            {"column": "x", "min_value": 0, "max_value": 9},
            "x is below 0 or above 9",
        ),
        ("expect_column_values_to_be_between", {"column": "x", "min_value": 0}, "x is below 0"),
        ("expect_table_row_count_to_be_between", {"min_value": 1}, "table row count to be between"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["a", "b"]}, "a and b came before"),
        ("expect_column_values_to_be_decreasing", {"column": "x"}, "x: values to be decreasing"),
    ],
)
def test_rules_in_words(kind: str, kwargs: dict[str, Any], words: str) -> None:
    assert rule({"type": kind, "kwargs": kwargs}) == words


def test_steps_come_in_the_pipelines_order_with_typical_and_longest_run(make_run: MakeRun) -> None:
    runs = [make_run("score", f"2013-0{n}", seconds=float(n)) for n in (1, 2, 9)] + [make_run("ingest", "2013-01")]
    runs.append(make_run("own_step", "2013-01", status="failed"))
    assert [(step.step, step.runs, step.failed) for step in steps(data_of(*runs))] == [
        ("ingest", 1, 0), ("score", 3, 0), ("own_step", 1, 1)]  # fmt: skip
    score = steps(data_of(*runs))[1]
    assert (score.seconds, score.typical, score.longest, score.longest_at) == (12.0, 2.0, 9.0, "2013-09")


def test_the_graph_has_every_box_also_before_anything_ran(year: ReportData) -> None:
    empty = graph(data_of(), (), 0, 0)
    assert [node.name for node in empty.sources] == ["s"]
    assert empty.features.figures == ()
    full = graph(year, quality(year, Timeline.of(year)), 4, 3)
    assert dict((unit, value) for value, unit in full.features.figures)["rows"] == 336776 - 12 * 60
    assert [unit for _, unit in full.validated[0].figures] == ["good", "quarantined"]
    assert full.train.figures == ((4, "trainings"), (3, "promoted"))
