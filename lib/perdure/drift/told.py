"""A drift told down: which features it sits in, in which slices of the rows, in which bins.

The score of a feature is its population stability index, a sum over bins, so that a bin's share is exact; times the
weight that the model gives the feature it says what matters. A slice's share is that of its rows' own drift, by rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.profile.categories import Categories
from perdure.profile.histogram import Histogram

from ._cells import FLOOR, group_starts
from .compare import ColumnDrift

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile, Profile, Slice

SCORE = "population_stability_index"
FEATURES, SLICES, BINS = 8, 4, 3
"""How many of each are told, the worst."""


@dataclass(frozen=True)
class Bin:
    """One bin: its shares of the rows in reference and current, and its share of the score."""

    label: str
    before: float
    now: float
    share: float


@dataclass(frozen=True)
class Part:
    """One slice: its rows, its own score and worst bin, and its share among the values of the same slice column."""

    key: str
    value: str
    rows: int
    score: float
    share: float
    bin: Bin | None


@dataclass(frozen=True)
class Told:
    """One feature: the weight that the model gives it, its score, its share of all features' weighted scores."""

    column: str
    weight: float
    score: float
    share: float
    bins: tuple[Bin, ...]
    slices: tuple[Part, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, four digits a number."""
        found: dict[str, Any] = _short(asdict(self))
        return found


def tell(
    drifts: Mapping[Slice, Sequence[ColumnDrift]],
    before: Mapping[Slice, Profile],
    now: Mapping[Slice, Profile],
    weights: Mapping[str, float],
    *,
    columns: Iterable[str],
) -> list[Told]:
    """The features among `columns` with the greatest weighted scores, the worst first. `drifts`: of all rows and of
    each slice; `weights`: how much the model relies on a feature, in any unit; without any all count alike."""
    whole: Slice = (None, None)
    wanted = set(columns)
    scores = {key: {each.column: each.statistics.get(SCORE) for each in found} for key, found in drifts.items()}
    known = {name: score for name, score in scores.get(whole, {}).items() if name in wanted and score}
    sizes = {name: max(float(weights.get(name, 0.0)), 0.0) for name in wanted}
    total = sum(sizes.values())
    part = {name: size / total if total else 1 / max(len(wanted), 1) for name, size in sizes.items()}
    weighted = {name: part[name] * score for name, score in known.items()}
    worst = sorted(known, key=lambda name: (-weighted[name], -known[name], name))[:FEATURES]
    everything = sum(weighted.values())
    return [
        Told(
            name,
            part[name],
            known[name],
            weighted[name] / everything if everything else 0.0,
            tuple(bins(before[whole].columns[name], now[whole].columns[name])[:BINS]),
            tuple(_parts(name, scores, before, now)[:SLICES]),
        )
        for name in worst
    ]


def _parts(
    name: str,
    scores: Mapping[Slice, Mapping[str, float | None]],
    before: Mapping[Slice, Profile],
    now: Mapping[Slice, Profile],
) -> list[Part]:
    found, weighted = [], {key: (each.get(name) or 0.0) * now[key].rows for key, each in scores.items()}
    for key, each in scores.items():
        score = each.get(name)
        if key[0] is None or key[1] is None or not score or key[0] == name:
            continue
        together = sum(value for other, value in weighted.items() if other[0] == key[0])
        worst = bins(before[key].columns[name], now[key].columns[name])[:1]
        rows = now[key].rows
        found.append(Part(key[0], key[1], rows, score, weighted[key] / together, worst[0] if worst else None))
    return sorted(found, key=lambda one: (-one.share, one.key, one.value))


def bins(reference: ColumnProfile, current: ColumnProfile) -> list[Bin]:
    """The bins by their share of the population stability index, the greatest first; their shares add to one."""
    labels, table = _categories(reference, current) if reference.kind == "categorical" else _numbers(reference, current)
    totals = table.sum(axis=1)
    if not totals.all():
        return []
    ours, theirs = table / totals[:, None]
    seen = (ours + theirs) > 0
    left, right = (np.where(side == 0, FLOOR, side) for side in (ours, theirs))
    parts = np.where(seen, (right - left) * np.log(right / left), 0.0)
    whole = float(parts.sum())
    found = [Bin(label, float(a), float(b), float(p) / whole if whole else 0.0)
             for label, a, b, p, shown in zip(labels, ours, theirs, parts, seen, strict=True) if shown]
    return sorted(found, key=lambda one: (-one.share, one.label))


def _categories(reference: ColumnProfile, current: ColumnProfile) -> tuple[list[str], Any]:
    ours, theirs = reference.need(Categories), current.need(Categories)
    full = ours.full or theirs.full
    names = sorted(set(ours.names) if full else {*ours.names, *ours.counts, *theirs.counts})
    rows = [[state.counts.get(name, 0) for name in names] for state in (ours, theirs)]
    rows = [[*row, state.total - sum(row)] for state, row in zip((ours, theirs), rows, strict=True)]
    return [*names, "others"], np.array(rows, dtype=float)


def _numbers(reference: ColumnProfile, current: ColumnProfile) -> tuple[list[str], Any]:
    ours, theirs = reference.need(Histogram), current.need(Histogram)
    table = np.array([ours.counts, theirs.counts], dtype=float)
    starts = group_starts(table[0])
    edges = [f"{edge:.4g}" for edge in ours.edges]
    labels = []
    for at, start in enumerate(starts):
        low = edges[start - 1] if start else None
        high = edges[starts[at + 1] - 1] if at + 1 < len(starts) else None
        if low is None or high is None:
            labels.append(f"below {high}" if low is None and high is not None else f"{low or edges[0]} and more")
        else:
            labels.append(low if low == high else f"{low} to {high}")
    return labels, np.add.reduceat(table, starts, axis=1)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
