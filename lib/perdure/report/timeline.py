"""The axis of time: every interval that the report knows, put together into at most sixty periods."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .data import ReportData

LIMIT = 60
_DATED = re.compile(r"^\d{4}(-|$)")


@dataclass(frozen=True)
class Period:
    """Consecutive intervals shown as one; `first` equals `last` while the history is short."""

    first: str
    last: str


class Timeline:
    """All intervals in order, grouped from the latest backwards into equal numbers of intervals."""

    def __init__(self, labels: Iterable[str], limit: int = LIMIT) -> None:
        """`labels`: intervals in any order, repeated at will; those that are no dates (static tables) are left out."""
        self.labels = sorted({label for label in labels if _DATED.match(label)})
        self.size = max(1, -(-len(self.labels) // limit))
        ends = list(range(len(self.labels), 0, -self.size))[::-1]
        groups = [self.labels[max(0, end - self.size) : end] for end in ends]
        self.periods = tuple(Period(group[0], group[-1]) for group in groups)
        self._index = {label: number for number, group in enumerate(groups) for label in group}

    @classmethod
    def of(cls, data: ReportData) -> Timeline:
        """From everything in the report's data that has an interval."""
        parts = (data.runs, data.performance, data.drift, data.decisions)
        return cls(row.interval for part in parts for row in part)

    def index(self, label: str) -> int | None:
        """The number of the period that holds the interval, or None."""
        return self._index.get(label)

    def index_from(self, label: str) -> int:
        """The number of the first period that ends at or after `label`; as many as there are periods if none does."""
        return next((n for n, period in enumerate(self.periods) if period.last >= label), len(self.periods))
