"""How good the model was: expected and realised by period, and in slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .data import Performance, ReportData
from .timeline import Period, Timeline
from .words import smaller_is_better

CHARTS = 2
SLICES = 24
_ORDER = ("log_loss", "area_under_roc", "accuracy", "brier", "average_precision", "rmse", "mae", "mape", "r2", "f1")


@dataclass(frozen=True)
class Point:
    """One kind of one metric in one period, over all rows; several intervals are averaged by their rows."""

    period: Period
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    coverage: float | None = None
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mark:
    """A champion that begins to serve in the period with this index (past the last: it has yet to);
    `promised` is what the metric was on its own held-out rows."""

    index: int
    interval: str
    version: str
    promised: float | None


@dataclass(frozen=True)
class MetricView:
    """One metric through time; `expected` and `realised` have one point a period."""

    metric: str
    smaller_is_better: bool
    threshold: float | None
    expected: tuple[Point, ...]
    realised: tuple[Point, ...]
    marks: tuple[Mark, ...]

    @property
    def latest(self) -> Point | None:
        """The last realised point that has a value."""
        return next((point for point in reversed(self.realised) if point.value is not None), None)

    @property
    def estimated(self) -> bool:
        """Whether there is any estimate."""
        return any(point.value is not None for point in self.expected)


@dataclass(frozen=True)
class SliceView:
    """A slice's latest realised value beside that of all rows. `worse` and `better`: its whole range lies on that side
    and the difference is more than a tenth. `trend`: a value a period."""

    key: str
    value: str
    metric: float
    low: float | None
    high: float | None
    rows: int | None
    worse: bool
    better: bool
    trend: tuple[float | None, ...]


@dataclass(frozen=True)
class SlicesView:
    """Slices of one interval, worst first, and how many more there were; `largest`: the bars' common right end."""

    interval: str
    metric: str
    overall: float
    rows: tuple[SliceView, ...]
    omitted: int
    smallest: float
    largest: float


def settled(rows: Iterable[Performance]) -> list[Performance]:
    """The rows that stand: of those that tell the same thing, the one known last."""
    last: dict[tuple[object, ...], Performance] = {}
    for row in rows:
        key = (row.interval, row.metric, row.kind, row.model_version, row.slice)
        if key not in last or row.known_at >= last[key].known_at:
            last[key] = row
    return [last[key] for key in last]


def serving(data: ReportData, interval: str) -> str | None:
    """The champion of an interval."""
    found = [champion for champion in data.champions if champion.interval <= interval]
    return max(found, key=lambda champion: (champion.interval, champion.at)).version if found else None


def of_champions(data: ReportData) -> list[Performance]:
    """Performance of what served: per interval the champion's rows, else those of the version with the most rows."""
    versions: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = settled(data.performance)
    for row in rows:
        versions[row.interval][row.model_version] += (row.rows or 0) if row.slice is None else 0
    chosen = {}
    for interval, found in versions.items():
        champion = serving(data, interval)
        chosen[interval] = champion if champion in found else max(sorted(found), key=lambda name: found[name])
    return [row for row in rows if row.model_version == chosen[row.interval]]


def metrics(data: ReportData, timeline: Timeline) -> tuple[MetricView, ...]:
    """Every metric over all rows, the pipeline's own first, then the best known ones."""
    rows = [row for row in of_champions(data) if row.slice is None]
    order = (data.pipeline.metric, *(name for name in _ORDER if name != data.pipeline.metric))
    rank = {name: number for number, name in enumerate(order)}
    names = sorted({row.metric for row in rows}, key=lambda name: (rank.get(name, len(rank)), name))
    return tuple(_metric(name, [row for row in rows if row.metric == name], data, timeline) for name in names)


def _metric(name: str, rows: list[Performance], data: ReportData, timeline: Timeline) -> MetricView:
    return MetricView(
        metric=name,
        smaller_is_better=smaller_is_better(name),
        threshold=data.pipeline.thresholds.get(name),
        expected=_series([row for row in rows if row.kind == "expected"], timeline),
        realised=_series([row for row in rows if row.kind == "realised"], timeline),
        marks=_marks(name, data, timeline),
    )


def _series(rows: list[Performance], timeline: Timeline) -> tuple[Point, ...]:
    grouped: dict[int, list[Performance]] = defaultdict(list)
    for row in rows:
        index = timeline.index(row.interval)
        if index is not None and row.value is not None:
            grouped[index].append(row)
    return tuple(_point(period, grouped.get(index, [])) for index, period in enumerate(timeline.periods))


def _point(period: Period, rows: list[Performance]) -> Point:
    if not rows:
        return Point(period)
    counted = [row.rows for row in rows if row.rows is not None]
    return Point(
        period=period,
        value=_mean([(row.value, row.rows) for row in rows]),
        low=_mean([(row.low, row.rows) for row in rows]),
        high=_mean([(row.high, row.rows) for row in rows]),
        rows=sum(counted) if counted else None,
        coverage=_mean([(row.coverage, row.rows) for row in rows]),
        versions=tuple(sorted({row.model_version for row in rows if row.model_version}, key=natural)),
    )


def _mean(pairs: list[tuple[float | None, int | None]]) -> float | None:
    """The mean weighted by rows; None where any value is missing."""
    values = [(value, float(rows or 1)) for value, rows in pairs if value is not None]
    if not values or len(values) < len(pairs):
        return None
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


def natural(version: str) -> tuple[int, str]:
    """Sorts version 10 after version 9."""
    return (int(version), "") if version.isdecimal() else (10**9, version)


def promised(data: ReportData, version: str, metric: str) -> float | None:
    """What a version's metric was on the held-out rows, when it was a candidate."""
    found = [comparison for comparison in data.comparisons if comparison.candidate == version]
    return found[-1].metrics.get(metric, (None, None))[0] if found else None


def _marks(metric: str, data: ReportData, timeline: Timeline) -> tuple[Mark, ...]:
    marks = []
    for champion in sorted(data.champions, key=lambda item: (item.interval, item.at)):
        index = timeline.index_from(champion.interval)
        marks.append(Mark(index, champion.interval, champion.version, promised(data, champion.version, metric)))
    return tuple(marks)


def slices(data: ReportData, timeline: Timeline) -> SlicesView | None:
    """The slices of the latest interval with realised values; None when there are none."""
    metric = data.pipeline.metric
    rows = [
        row for row in of_champions(data) if row.metric == metric and row.kind == "realised" and row.value is not None
    ]
    sliced = [row for row in rows if row.slice is not None]
    if not sliced:
        return None
    interval = max(row.interval for row in sliced)
    overall = next((row.value for row in rows if row.interval == interval and row.slice is None), None)
    latest = [row for row in sliced if row.interval == interval]
    if overall is None:
        overall = _mean([(row.value, row.rows) for row in latest]) or 0.0
    views = [_slice(row, overall, sliced, timeline) for row in latest]
    sign = -1 if smaller_is_better(metric) else 1
    views.sort(key=lambda view: (not view.worse, sign * view.metric, view.key, view.value))
    shown = tuple(views[:SLICES])
    ends = [end for view in shown for end in (view.low, view.high, view.metric) if end is not None] + [overall]
    return SlicesView(interval, metric, overall, shown, len(views) - len(shown), min(ends), max(ends))


def _slice(row: Performance, overall: float, history: list[Performance], timeline: Timeline) -> SliceView:
    value = row.value if row.value is not None else 0.0
    low = row.low if row.low is not None else value
    high = row.high if row.high is not None else value
    far = abs(value - overall) > abs(overall) * 0.1
    above, below = far and low > overall, far and high < overall
    small = smaller_is_better(row.metric)
    key, name = row.slice or ("", "")
    trend = _series([other for other in history if other.slice == row.slice], timeline)
    start = min(timeline.index(other.interval) or 0 for other in history)
    return SliceView(
        key,
        name,
        value,
        row.low,
        row.high,
        row.rows,
        above if small else below,
        below if small else above,
        tuple(point.value for point in trend[start:]),
    )
