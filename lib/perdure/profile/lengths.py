"""How long a column's strings are, in characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ._values import check_like, check_version, texts
from .profile import Column

if TYPE_CHECKING:
    from ._values import Counted


@dataclass(frozen=True)
class Lengths:
    """The number of strings, their characters together, the shortest and the longest length (None without
    strings)."""

    count: int = 0
    total: int = 0
    shortest: int | None = None
    longest: int | None = None

    def zero(self) -> Lengths:
        """The empty state."""
        return Lengths()

    def add(self, values: pa.Array) -> Lengths:
        """This state with a batch of strings taken in."""
        lengths = pc.utf8_length(texts(values))
        if not len(lengths):
            return self
        extremes = pc.min_max(lengths)
        return self + Lengths(len(lengths), pc.sum(lengths).as_py(), extremes["min"].as_py(), extremes["max"].as_py())

    def add_counted(self, values: pa.Array, counts: Counted) -> Lengths:
        """As `add`, for each value as often as it occurs."""
        counts = counts[values.is_valid().to_numpy(zero_copy_only=False)]
        lengths = pc.utf8_length(texts(values)).to_numpy(zero_copy_only=False)
        if not len(lengths):
            return self
        return self + Lengths(
            int(counts.sum()), int((lengths * counts).sum()), int(lengths.min()), int(lengths.max())
        )

    def __add__(self, other: Lengths) -> Lengths:
        check_like(self, other)
        shortest = [length for length in (self.shortest, other.shortest) if length is not None]
        longest = [length for length in (self.longest, other.longest) if length is not None]
        return Lengths(
            self.count + other.count,
            self.total + other.total,
            min(shortest, default=None),
            max(longest, default=None),
        )

    @property
    def mean(self) -> float | None:
        """The mean length; None without strings."""
        return self.total / self.count if self.count else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "lengths",
            "version": 1,
            "count": self.count,
            "total": self.total,
            "shortest": self.shortest,
            "longest": self.longest,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lengths:
        """The inverse of `to_dict`."""
        check_version(data, "lengths", 1)
        return cls(data["count"], data["total"], data["shortest"], data["longest"])


STATE = Lengths


def start(column: Column) -> Lengths | None:
    """Columns of strings; booleans have no length."""
    return Lengths() if column.data_type == "string" else None
