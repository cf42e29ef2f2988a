from __future__ import annotations

from dataclasses import replace

import pytest

from perdure.report.data import Champion, Performance, PipelineFacts, ReportData
from perdure.report.performance import metrics, slices
from perdure.report.timeline import Timeline


def data_of(*rows: Performance, champions: tuple[Champion, ...] = ()) -> ReportData:
    return ReportData(PipelineFacts("p"), "", performance=rows, champions=champions)


def realised(interval: str, value: float, version: str = "1", **more: object) -> Performance:
    return replace(Performance(interval, "log_loss", "realised", value, version, rows=100), **more)  # type: ignore[arg-type]


def test_the_value_known_last_counts() -> None:
    data = data_of(realised("2013-01", 0.4, known_at="2013-03"), realised("2013-01", 0.5, known_at="2013-02"))
    assert [point.value for point in metrics(data, Timeline.of(data))[0].realised] == [0.4]


def test_the_champion_counts_and_not_its_challenger() -> None:
    data = data_of(
        realised("2013-01", 0.4, "1", rows=10),
        realised("2013-01", 0.3, "2", rows=90),
        champions=(Champion("1", "2013-01"), Champion("2", "2013-02")),
    )
    (metric,) = metrics(data, Timeline.of(data))
    assert [(point.value, point.versions) for point in metric.realised] == [(0.4, ("1",))]


def test_periods_of_several_intervals_are_means_weighted_by_rows() -> None:
    data = data_of(realised("2013-01", 0.2, rows=100), realised("2013-02", 0.6, rows=300))
    (metric,) = metrics(data, Timeline(["2013-01", "2013-02"], limit=1))
    assert metric.realised[0].value == pytest.approx(0.5)
    assert metric.realised[0].rows == 400


def test_the_pipelines_own_metric_comes_first(year: ReportData) -> None:
    assert [metric.metric for metric in metrics(year, Timeline.of(year))] == ["log_loss", "area_under_roc"]
    auc = replace(year, pipeline=replace(year.pipeline, metric="area_under_roc"))
    assert [metric.metric for metric in metrics(auc, Timeline.of(auc))] == ["area_under_roc", "log_loss"]


def test_marks_stand_where_champions_begin_with_what_they_promised(year: ReportData) -> None:
    marks = metrics(year, Timeline.of(year))[0].marks
    assert [(mark.version, mark.index, mark.promised) for mark in marks] == [
        ("1", 4, 0.497),
        ("2", 7, 0.512),
        ("4", 11, 0.476),
    ]


def test_a_slice_is_worse_only_beyond_chance_and_by_more_than_a_tenth() -> None:
    def part(name: str, value: float, width: float) -> Performance:
        return realised("2013-01", value, slice=("carrier", name), low=value - width, high=value + width)

    data = data_of(
        realised("2013-01", 0.5),
        part("clear", 0.7, 0.01),
        part("noisy", 0.7, 0.3),
        part("small", 0.51, 0.001),
        part("good", 0.3, 0.01),
    )
    view = slices(data, Timeline.of(data))
    assert view is not None
    assert [(row.value, row.worse, row.better) for row in view.rows] == [
        ("clear", True, False),
        ("noisy", False, False),
        ("small", False, False),
        ("good", False, True),
    ]


def test_for_a_metric_that_grows_the_smaller_slice_is_worse() -> None:
    facts = PipelineFacts("p", metric="area_under_roc")
    rows = [
        Performance("2013-01", "area_under_roc", "realised", value, "1", part)
        for value, part in ((0.8, None), (0.6, ("o", "low")), (0.95, ("o", "high")))
    ]
    data = ReportData(facts, "", performance=tuple(rows))
    view = slices(data, Timeline.of(data))
    assert view is not None
    assert [(row.value, row.worse) for row in view.rows] == [("low", True), ("high", False)]


def test_no_slices_is_nothing() -> None:
    data = data_of(realised("2013-01", 0.5))
    assert slices(data, Timeline.of(data)) is None
