"""How often each category occurs: exact for the reference's own, and for new ones as long as they are few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._values import check_like, check_version, counted, texts
from .profile import Column

if TYPE_CHECKING:
    from ._values import Counted

LIMIT = 100  # new categories that a state holds by name


@dataclass(frozen=True)
class Categories:
    """`names` are the reference's categories, always counted by name in `counts`. Others are too, until more
    than `limit` of them have been seen: from then on they are `full`, and all of them together are `other`.

    Whether there are more than `limit` does not depend on the order in which they come, so states still add.

    """

    names: tuple[str, ...] = ()
    limit: int = LIMIT
    counts: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    full: bool = False

    def zero(self) -> Categories:
        """The empty state over the same names."""
        return Categories(self.names, self.limit)

    def add(self, values: pa.Array) -> Categories:
        """This state with a batch of strings or booleans taken in; nulls are left out."""
        return self._with(counted(values), 0, full=self.full)

    def add_counted(self, values: pa.Array, counts: Counted) -> Categories:
        """As `add`, for each value as often as it occurs."""
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        named = zip(texts(values).to_pylist(), counts[valid].tolist(), strict=True)
        return self._with(dict(named), 0, full=self.full)

    def __add__(self, other: Categories) -> Categories:
        check_like(self, other, "names", "limit")
        return self._with(other.counts, other.other, full=self.full or other.full)

    def _with(self, more: Mapping[str, int], other: int, *, full: bool) -> Categories:
        counts = dict(Counter(dict(self.counts)) + Counter(dict(more)))
        new = counts.keys() - set(self.names)
        full = full or len(new) > self.limit
        other += self.other
        if full:
            other += sum(counts.pop(name) for name in new)
        return Categories(self.names, self.limit, counts, other, full)

    @property
    def total(self) -> int:
        """All values counted."""
        return sum(self.counts.values()) + self.other

    def frequent(self, many: int) -> list[tuple[str, int]]:
        """The most frequent categories that are held by name, with their counts; ties in order of name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:many]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "categories",
            "version": 1,
            "names": list(self.names),
            "limit": self.limit,
            "counts": dict(sorted(self.counts.items())),
            "other": self.other,
            "full": self.full,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Categories:
        """The inverse of `to_dict`."""
        check_version(data, "categories", 1)
        return cls(tuple(data["names"]), data["limit"], dict(data["counts"]), data["other"], data["full"])


STATE = Categories


def start(column: Column) -> Categories | None:
    """Columns of strings or booleans."""
    return Categories(column.names) if column.kind == "categorical" else None
