"""What changed in the data: columns by period, worst first, and the distributions of the worst, then and now."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from .data import Distribution, Profile, ReportData
from .timeline import Period, Timeline
from .words import figure

COLUMNS = 30
SHOWN = 6
CATEGORIES = 10
RECENT = 3
OUTPUTS = ("prediction", "probability", "label")


@dataclass(frozen=True)
class HeatCell:
    """A column's largest drift in a period, and its level from 0 (nothing) to 4 (twice the bound and more)."""

    value: float | None
    level: int


@dataclass(frozen=True)
class HeatRow:
    """A column through time; `importance`: its share in the champion, None if that isn't known."""

    column: str
    cells: tuple[HeatCell, ...]
    worst: float
    importance: float | None


@dataclass(frozen=True)
class DriftView:
    """The heat map: one cell a period in each row, worst rows first; `omitted` columns had less."""

    statistic: str
    bound: float
    periods: tuple[Period, ...]
    rows: tuple[HeatRow, ...]
    omitted: int
    latest: str | None
    changed: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Bin:
    """One bin or category: its share of the reference's rows and of the interval's."""

    label: str
    then: float
    now: float


@dataclass(frozen=True)
class DistributionView:
    """A column then and now; `numeric` tells a histogram from categories, `edges` are its bounds as text."""

    column: str
    interval: str
    numeric: bool
    bins: tuple[Bin, ...]
    edges: tuple[str, ...]
    drift: float | None
    history: tuple[Profile, ...]


def heat(data: ReportData, timeline: Timeline) -> DriftView | None:
    """All columns' drift over all rows, by period; None when nothing was compared."""
    name, bound = data.pipeline.drift_statistic, data.pipeline.drift_bound
    values: dict[str, dict[int, float]] = defaultdict(dict)
    latest: dict[str, dict[str, float]] = defaultdict(dict)
    for row in data.drift:
        value, index = row.statistics.get(name), timeline.index(row.interval)
        if row.slice is None and value is not None and math.isfinite(value) and index is not None:
            values[row.column][index] = max(value, values[row.column].get(index, value))
            latest[row.interval][row.column] = value
    if not values:
        return None
    importance = {item.column: item.share for item in data.importance}
    start = min(index for cells in values.values() for index in cells)
    count = len(timeline.periods)
    rows = [
        HeatRow(
            column,
            tuple(_cell(cells.get(index), bound) for index in range(start, count)),
            max(cells.values()),
            importance.get(column),
        )
        for column, cells in values.items()
    ]
    rows.sort(key=lambda row: _urgency(row, known=bool(importance)))
    now = max(latest)
    changed = sorted(
        ((column, value) for column, value in latest[now].items() if value > bound),
        key=lambda pair: (-pair[1], pair[0]),
    )
    return DriftView(
        name, bound, timeline.periods[start:], tuple(rows[:COLUMNS]), len(rows[COLUMNS:]), now, tuple(changed)
    )


def _cell(value: float | None, bound: float) -> HeatCell:
    if value is None:
        return HeatCell(None, 0)
    return HeatCell(value, sum(value > limit * bound for limit in (0.25, 0.5, 1, 2)))


def _urgency(row: HeatRow, *, known: bool) -> tuple[float, float, float, str]:
    """Worst of late first, by drift times the column's weight in the model where that is `known` (what predictions and
    outcomes weigh isn't: the whole); then worst ever."""
    recent = max((cell.value for cell in row.cells[-RECENT:] if cell.value is not None), default=0.0)
    weight = (1.0 if row.column in OUTPUTS else row.importance or 0.0) if known else 1.0
    return (-recent * weight, -recent, -row.worst, row.column)


def distributions(data: ReportData, drift: DriftView | None) -> tuple[DistributionView, ...]:
    """The columns that changed most of late, then and now; at most six."""
    latest: dict[str, Distribution] = {}
    for item in sorted(data.distributions, key=lambda item: item.interval):
        if item.reference:
            latest[item.column] = item
    order = [row.column for row in drift.rows if row.column in latest] if drift else []
    order += [column for column in latest if column not in order]
    now = {row.column: row.cells[-1].value for row in drift.rows} if drift else {}
    history: dict[str, list[Profile]] = defaultdict(list)
    for profile in sorted(data.profiles, key=lambda profile: profile.interval):
        history[profile.column].append(profile)
    return tuple(
        _distribution(latest[column], now.get(column), tuple(history[column][-12:])) for column in order[:SHOWN]
    )


def _distribution(item: Distribution, drift: float | None, history: tuple[Profile, ...]) -> DistributionView:
    numeric = len(item.bins) == len(item.reference) + 1
    then, now = _shares(item.reference), _shares(item.current)
    if numeric:
        edges = tuple(_edge(edge) for edge in item.bins)
        labels = [f"{low} to {high}" for low, high in pairwise(edges)]
        bins = tuple(Bin(*parts) for parts in zip(labels, then, now, strict=True))
    else:
        edges, bins = (
            (),
            _categories([Bin(str(name), *shares) for name, *shares in zip(item.bins, then, now, strict=True)]),
        )
    return DistributionView(item.column, item.interval, numeric, bins, edges, drift, history)


def _categories(bins: list[Bin]) -> tuple[Bin, ...]:
    """The largest categories, then or now, and the rest as one."""
    ranked = sorted(bins, key=lambda item: (-max(item.then, item.now), item.label))
    rest = ranked[CATEGORIES:]
    if not rest:
        return tuple(ranked)
    other = Bin(f"{len(rest)} others", sum(item.then for item in rest), sum(item.now for item in rest))
    return (*ranked[:CATEGORIES], other)


def _shares(counts: tuple[float, ...]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _edge(edge: float | str) -> str:
    value = float(edge)
    if math.isinf(value):
        return "lowest" if value < 0 else "highest"
    if value == round(value) and abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else figure(value)
