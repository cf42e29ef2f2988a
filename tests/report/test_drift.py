from __future__ import annotations

import math

from perdure.report.data import Distribution, Drift, Importance, PipelineFacts, ReportData, Together
from perdure.report.drift import distributions, heat
from perdure.report.timeline import Timeline
from perdure.report.together import together


def drifted(interval: str, column: str, value: float | None) -> Drift:
    return Drift(interval, column, {"population_stability_index": value})


def data_of(*rows: Drift, **more: object) -> ReportData:
    return ReportData(PipelineFacts("p"), "", drift=rows, **more)  # type: ignore[arg-type]


def test_the_worst_of_late_comes_first() -> None:
    months = [f"2013-{month:02d}" for month in range(1, 7)]
    rows = [drifted(month, "past", 0.9 if month == "2013-01" else 0.01) for month in months]
    rows += [drifted(month, "late", 0.3) for month in months] + [drifted(month, "calm", 0.0) for month in months]
    data = data_of(*rows, importance=(Importance("late", 0.4),))
    view = heat(data, Timeline.of(data))
    assert view is not None
    assert [row.column for row in view.rows] == ["late", "past", "calm"]
    assert view.changed == (("late", 0.3),)
    assert view.rows[0].importance == 0.4
    assert view.rows[1].worst == 0.9


def test_periods_keep_their_worst_interval_and_slices_stay_out() -> None:
    slice_row = Drift("2013-01", "a", {"population_stability_index": 9.0}, ("origin", "JFK"))
    data = data_of(drifted("2013-01", "a", 0.5), drifted("2013-02", "a", 0.1), slice_row)
    view = heat(data, Timeline(["2013-01", "2013-02"], limit=1))
    assert view is not None
    assert [cell.value for cell in view.rows[0].cells] == [0.5]


def test_levels_follow_the_bound() -> None:
    values = (0.0, 0.06, 0.11, 0.21, 0.41)
    data = data_of(*(drifted(f"2013-0{n + 1}", "a", value) for n, value in enumerate(values)))
    view = heat(data, Timeline.of(data))
    assert view is not None
    assert [cell.level for cell in view.rows[0].cells] == [0, 1, 2, 3, 4]


def test_undefined_statistics_are_holes_not_zeros() -> None:
    data = data_of(drifted("2013-01", "a", 0.1), drifted("2013-02", "a", None), drifted("2013-02", "b", math.inf))
    view = heat(data, Timeline.of(data))
    assert view is not None
    assert [cell.value for cell in view.rows[0].cells] == [0.1, None]
    assert heat(data_of(drifted("2013-01", "a", None)), Timeline(["2013-01"])) is None


def test_many_columns_are_cut_and_counted() -> None:
    data = data_of(*(drifted("2013-01", f"c{n:02d}", n / 100) for n in range(37)))
    view = heat(data, Timeline.of(data))
    assert view is not None
    assert (len(view.rows), view.omitted, view.rows[0].column) == (30, 7, "c36")


def test_histograms_and_categories_become_shares() -> None:
    edges = Distribution("n", "2013-01", (-math.inf, 0.0, 10.0, math.inf), (1.0, 2.0, 1.0), (0.0, 0.0, 0.0))
    names = tuple(f"k{n}" for n in range(13))
    kinds = Distribution("k", "2013-01", names, tuple(float(13 - n) for n in range(13)), (1.0,) * 13)
    numeric, category = distributions(data_of(distributions=(edges, kinds)), None)
    assert [(item.label, item.then, item.now) for item in numeric.bins] == [
        ("lowest to 0", 0.25, 0.0), ("0 to 10", 0.5, 0.0), ("10 to highest", 0.25, 0.0)]  # fmt: skip
    assert category.bins[-1].label == "3 others"
    assert abs(sum(item.then for item in category.bins) - 1) < 1e-12


def test_what_all_columns_say_at_once() -> None:
    months = [f"2013-{month:02d}" for month in range(1, 5)]
    numbers = {"domain": (0.51, 0.9, 0.6, 0.7), "attributions": (0.99, 0.95, 0.85, 0.97)}
    items = [Together(month, value, 0.5, 0.95, value > 0.8, kind=kind)  # type: ignore[arg-type]
             for kind, values in numbers.items() for month, value in zip(months, values, strict=True)]
    data = data_of(*(drifted(month, "a", 0.1) for month in months), together=tuple(items))
    domain, leans = together(data, Timeline(months, limit=2))
    assert (domain.words.number, leans.words.number) == ("Area under ROC", "Likeness")
    assert [item.value for item in domain.points if item] == [0.9, 0.7], "the worst of a period is the greatest"
    assert [item.value for item in leans.points if item] == [0.95, 0.85], "or the least"
    assert (domain.drifted, domain.latest.interval) == (1, "2013-04")
    assert together(data_of(), Timeline(months)) == ()
