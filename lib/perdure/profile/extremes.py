"""The smallest and the largest finite value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._values import check_like, check_version, finite
from .profile import Column

if TYPE_CHECKING:
    from ._values import Counted


@dataclass(frozen=True)
class Extremes:
    """Both are None without values."""

    low: float | None = None
    high: float | None = None

    def zero(self) -> Extremes:
        """The empty state."""
        return Extremes()

    def add(self, values: pa.Array) -> Extremes:
        """This state with a batch of numbers taken in."""
        found = finite(values)
        return self + Extremes(float(found.min()), float(found.max())) if len(found) else self

    def add_counted(self, values: pa.Array, counts: Counted) -> Extremes:
        """As `add`; how often a value occurs doesn't matter."""
        return self.add(values)

    def __add__(self, other: Extremes) -> Extremes:
        check_like(self, other)
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Extremes(min(lows, default=None), max(highs, default=None))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"kind": "extremes", "version": 1, "low": self.low, "high": self.high}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Extremes:
        """The inverse of `to_dict`."""
        check_version(data, "extremes", 1)
        return cls(data["low"], data["high"])


STATE = Extremes


def start(column: Column) -> Extremes | None:
    """Numeric columns only."""
    return Extremes() if column.kind == "numeric" else None
