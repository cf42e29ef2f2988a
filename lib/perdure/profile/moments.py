"""Mean and standard deviation of the finite values, from exact sums: no order of merging changes a digit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._exact import ZERO, Exact, sums
from ._values import check_like, check_version, counted_finite, finite
from .profile import Column

if TYPE_CHECKING:
    from ._values import Counted


@dataclass(frozen=True)
class Moments:
    """The number of finite values, their sum and their sum of squares."""

    count: int = 0
    total: Exact = ZERO
    squares: Exact = ZERO

    def zero(self) -> Moments:
        """The empty state."""
        return Moments()

    def add(self, values: pa.Array) -> Moments:
        """This state with a batch of numbers taken in."""
        found = finite(values)
        return self + Moments(len(found), *sums(found)) if len(found) else self

    def add_counted(self, values: pa.Array, counts: Counted) -> Moments:
        """As `add`, for each value as often as it occurs."""
        found, counts = counted_finite(values, counts)
        return self + Moments(int(counts.sum()), *sums(found, counts))

    def __add__(self, other: Moments) -> Moments:
        check_like(self, other)
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float | None:
        """The mean, correctly rounded; None without values."""
        return float(self.total.fraction() / self.count) if self.count else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation (divisor n - 1), as Spark's `stddev`; None for fewer than two values,
        infinite where its square is beyond a float."""
        if self.count < 2:
            return None
        spread = (self.squares.fraction() - self.total.fraction() ** 2 / self.count) / (self.count - 1)
        # The root of a number near 1, scaled back: the square itself may be beyond a float where its root is not.
        half = (spread.numerator.bit_length() - spread.denominator.bit_length()) // 2
        try:
            return math.ldexp(math.sqrt(spread / Fraction(4) ** half), half)
        except OverflowError:
            return math.inf

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "moments",
            "version": 1,
            "count": self.count,
            "total": str(self.total),
            "squares": str(self.squares),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Moments:
        """The inverse of `to_dict`."""
        check_version(data, "moments", 1)
        return cls(data["count"], Exact.parse(data["total"]), Exact.parse(data["squares"]))


STATE = Moments


def start(column: Column) -> Moments | None:
    """Numeric columns only."""
    return Moments() if column.kind == "numeric" else None
