"""Counts of values between edges that the reference has fixed, and of those below and above them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ._values import check_like, check_version, counted_numbers, numbers
from .profile import Column

if TYPE_CHECKING:
    from ._values import Counted


ENOUGH = 102
"""Edges that `coarse` leaves alone: those of a hundred cells."""


@dataclass(frozen=True)
class Histogram:
    """`counts[0]` is below the first edge, `counts[i]` in [edges[i-1], edges[i]), the last at or above the
    last edge.

    `edges` are finite and strictly rising; without `counts` the state is empty. Infinities fall into the
    outer cells; NaN and nulls are left out.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.edges or not all(map(isfinite, self.edges)) or any(a >= b for a, b in pairwise(self.edges)):
            raise ValueError(f"histogram edges must be finite and strictly rising, found {self.edges}")
        if not self.counts:
            object.__setattr__(self, "counts", (0,) * (len(self.edges) + 1))
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) + 1} cells, found {len(self.counts)}")

    def zero(self) -> Histogram:
        """The empty state over the same edges."""
        return Histogram(self.edges)

    def coarse(self) -> Histogram:
        """The empty state over a quarter of the edges, the outer ones among them; over all where they are few."""
        if len(self.edges) <= ENOUGH:
            return self.zero()
        return Histogram((*self.edges[:-2:4], *self.edges[-2:]))

    def add(self, values: pa.Array) -> Histogram:
        """This state with a batch of numbers taken in."""
        found = numbers(values)
        cells = np.searchsorted(self._edges, found[~np.isnan(found)], side="right")
        counts = np.bincount(cells, minlength=len(self.edges) + 1)
        return Histogram(self.edges, tuple((counts + self.counts).tolist()))

    def add_counted(self, values: pa.Array, counts: Counted) -> Histogram:
        """As `add`, for each value as often as it occurs."""
        found, counts = counted_numbers(values, counts)
        known = ~np.isnan(found)
        cells = np.searchsorted(self._edges, found[known], side="right")
        held = np.bincount(cells, weights=counts[known], minlength=len(self.edges) + 1).astype(np.int64)
        return Histogram(self.edges, tuple((held + self.counts).tolist()))

    def __add__(self, other: Histogram) -> Histogram:
        check_like(self, other, "edges")
        return Histogram(self.edges, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    @cached_property
    def _edges(self) -> Any:
        return np.array(self.edges)

    @property
    def total(self) -> int:
        """All values counted."""
        return sum(self.counts)

    def quantile(self, share: float, low: float, high: float) -> float | None:
        """The value below which `share` of the rows lie, straight between edges; `low` and `high` are the
        data's extremes. None without values. The error is at most one cell's width."""
        if not self.total:
            return None
        bounds = np.clip([low, *self.edges, high], low, high)
        below = np.concatenate([[0], np.cumsum(self.counts)]) / self.total
        return float(np.interp(share, below, bounds))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"kind": "histogram", "version": 1, "edges": list(self.edges), "counts": list(self.counts)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Histogram:
        """The inverse of `to_dict`."""
        check_version(data, "histogram", 1)
        return cls(tuple(map(float, data["edges"])), tuple(data["counts"]))


STATE = Histogram


def start(column: Column) -> Histogram | None:
    """Numeric columns that edges are known for."""
    return Histogram(column.edges) if column.kind == "numeric" and column.edges else None
