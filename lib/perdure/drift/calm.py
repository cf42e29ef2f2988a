"""Thresholds from the reference's own intervals: how much a column swings while nothing is wrong.

Each interval of the training data is held against the rest of it. What these swings tell of one column is pooled with
the others: for each interval the column that lies furthest above its own usual value (as a ratio) counts, so that the
rate of false alarms is that of all columns together, whatever they have in common, such as a season. The bound is the
upper end of a prediction interval (Student's t over the logarithms of those largest ratios; the fewer intervals, the
wider). Beside significance stands size: a change below a statistic's own conventional threshold is never an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .compare import compare, members

if TYPE_CHECKING:
    from perdure.profile.profile import Profile

LEAST = 3  # intervals without which the swings aren't known
_SHRINKS = 0.5  # distances between equal distributions fall with the root of the rows


@dataclass(frozen=True)
class Swings:
    """How far each of the reference's intervals is from the rest: column -> statistic -> one value an interval, and the
    rows of each interval."""

    rows: tuple[int, ...] = ()
    columns: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, four digits a value."""
        columns = {
            name: {statistic: [float(f"{value:.4g}") for value in values] for statistic, values in found.items()}
            for name, found in self.columns.items()
        }
        return {"rows": list(self.rows), "columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Swings:
        """The inverse of `to_dict`, but for the digits."""
        columns = {
            name: {statistic: tuple(values) for statistic, values in found.items()}
            for name, found in data["columns"].items()
        }
        return cls(tuple(data["rows"]), columns)


def swings(intervals: Sequence[Profile]) -> Swings:
    """Of profiles of the reference's intervals, over the same edges and categories. Empty where they are too few.
    Statistics without a threshold of their own are left out."""
    intervals = [profile for profile in intervals if profile.rows]
    if len(intervals) < LEAST:
        return Swings()
    columns: dict[str, dict[str, list[float]]] = {}
    for interval, rest in zip(intervals, _rests(intervals), strict=True):
        for drift in compare(rest, interval):
            for name in _bounded():
                value = drift.statistics.get(name)
                if value is not None:
                    columns.setdefault(drift.column, {}).setdefault(name, []).append(value)
    whole = {
        column: {name: tuple(values) for name, values in found.items() if len(values) == len(intervals)}
        for column, found in columns.items()
    }
    return Swings(tuple(profile.rows for profile in intervals), whole)


def thresholds(found: Swings, columns: Sequence[str], rows: int, false_alarms: float) -> dict[str, dict[str, float]]:
    """Column -> statistic -> the value above which an interval of so many rows is an alarm. An interval in which no
    more has changed than between the reference's own raises one, in any of the columns, with the chance
    `false_alarms`. Where the swings aren't known, a statistic's conventional threshold stands."""
    fixed = {name: members()[name].threshold for name in _bounded()}
    bounds = {column: dict(fixed) for column in columns}
    known = [column for column in columns if column in found.columns]
    for name, least in fixed.items():
        having = [column for column in known if name in found.columns[column]]
        if len(found.rows) < LEAST or not having:
            continue
        # Far below the conventional threshold a ratio says nothing that matters.
        logs = np.log(np.maximum([found.columns[column][name] for column in having], least / 10))
        usual = logs.mean(axis=1)
        # Half the rate, since each column's usual value is an estimate too.
        factor = math.exp(_prediction(_surprises(logs), false_alarms / 2))
        fewer = max(1.0, float(np.median(found.rows)) / max(rows, 1)) ** getattr(members()[name], "shrinks", _SHRINKS)
        for column, value in zip(having, usual, strict=True):
            bounds[column][name] = max(least, math.exp(value) * factor * fewer)
    return bounds


def _bounded() -> list[str]:
    return [name for name, module in members().items() if math.isfinite(module.threshold)]


def _rests(profiles: Sequence[Profile]) -> list[Profile]:
    """For each profile the sum of all others, by sums from both ends: a profile can't be taken from a sum."""
    before, after = [profiles[0].zero()], [profiles[0].zero()]
    for profile in profiles[:-1]:
        before.append(before[-1] + profile)
    for profile in reversed(profiles[1:]):
        after.append(after[-1] + profile)
    return [left + right for left, right in zip(before, reversed(after), strict=True)]


def _surprises(logs: Any) -> Any:
    """For each interval, by how much the most surprising column exceeds what the other intervals let expect."""
    many = logs.shape[1]
    others = (logs.sum(axis=1, keepdims=True) - logs) / (many - 1)
    return (logs - others).max(axis=0)


def _prediction(values: Any, chance: float) -> float:
    """The value that one more draw exceeds with this chance; 0 at least."""
    from scipy.stats import t

    many = len(values)
    reach = float(t.ppf(1 - chance, many - 1)) * float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / many)
    return max(0.0, float(np.mean(values)) + reach)
