"""How many rows, and how many of them are null, zero, NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ._values import check_like, check_version, counted_numbers, is_number, numbers
from .profile import Column

if TYPE_CHECKING:
    from ._values import Counted


@dataclass(frozen=True)
class Counts:
    """`rows` counts nulls too; `zeros`, `nans` and `infinities` stay 0 for columns without numbers."""

    rows: int = 0
    nulls: int = 0
    zeros: int = 0
    nans: int = 0
    infinities: int = 0

    def zero(self) -> Counts:
        """The empty state."""
        return Counts()

    def add(self, values: pa.Array) -> Counts:
        """This state with a batch of values taken in."""
        batch = Counts(len(values), values.null_count)
        if is_number(values):
            found = numbers(values)
            nans, infinities = int(np.isnan(found).sum()), int(np.isinf(found).sum())
            zeros = len(found) - int(np.count_nonzero(found))
            batch = Counts(len(values), values.null_count, zeros, nans, infinities)
        return self + batch

    def add_counted(self, values: pa.Array, counts: Counted) -> Counts:
        """As `add`, for each value as often as it occurs."""
        absent = ~values.is_valid().to_numpy(zero_copy_only=False)
        batch = Counts(int(counts.sum()), int(counts[absent].sum()))
        if is_number(values):
            found, counts = counted_numbers(values, counts)
            chosen = (found == 0, np.isnan(found), np.isinf(found))
            batch = Counts(batch.rows, batch.nulls, *(int(counts[each].sum()) for each in chosen))
        return self + batch

    def __add__(self, other: Counts) -> Counts:
        check_like(self, other)
        return Counts(
            self.rows + other.rows,
            self.nulls + other.nulls,
            self.zeros + other.zeros,
            self.nans + other.nans,
            self.infinities + other.infinities,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "counts",
            "version": 1,
            "rows": self.rows,
            "nulls": self.nulls,
            "zeros": self.zeros,
            "nans": self.nans,
            "infinities": self.infinities,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Counts:
        """The inverse of `to_dict`."""
        check_version(data, "counts", 1)
        return cls(data["rows"], data["nulls"], data["zeros"], data["nans"], data["infinities"])


STATE = Counts


def start(column: Column) -> Counts:
    """Every column is counted."""
    return Counts()
