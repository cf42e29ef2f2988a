"""How columns go together: the cross products of the encoded features, from which any window's principal components and
their reconstruction error follow.

A column is encoded by what the reference's plan knows: numbers less their mean, in standard deviations; categories as
their share of the reference's rows (as NannyML encodes them), in standard deviations of those; what is missing as the
mean, or as the commonest category. Codes are whole multiples of 1/4096 within 64 deviations, so all sums are whole
numbers: no order of merging changes a digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ._values import check_like, check_version

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 60
"""Columns that go into one matrix, at most."""
UNIT = 4096.0
_REACH = 2.0**18  # 64 deviations
_BLOCK = 1 << 17  # rows whose products add up exactly in a float: 2^18 * 2^18 * 2^17 = 2^53


@dataclass(frozen=True)
class Code:
    """How one column becomes a number: `codes` of its categories (None for numbers), `missing` for what is empty,
    then less `centre` and divided by `scale`. A category without a code counts as 0."""

    column: str
    centre: float
    scale: float
    missing: float
    codes: Mapping[str, float] | None = None

    def encode(self, values: pa.Array) -> NDArray[np.float64]:
        """Whole numbers, as floats."""
        found = self._numbers(values) if self.codes is None else self._shares(values)
        found -= self.centre
        found *= UNIT / self.scale
        np.rint(found, out=found)
        return np.clip(found, -_REACH, _REACH, out=found)

    def _numbers(self, values: pa.Array) -> NDArray[np.float64]:
        found: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).copy()
        found[~np.isfinite(found)] = self.missing
        return found

    def _shares(self, values: pa.Array) -> NDArray[np.float64]:
        known = self.codes or {}
        text = values.cast(pa.string())
        at = pc.index_in(text, value_set=pa.array(list(known), pa.string())).fill_null(len(known))
        found: NDArray[np.float64] = np.array([*known.values(), 0.0])[at.to_numpy(zero_copy_only=False)]
        if text.null_count:
            found[text.is_null().to_numpy(zero_copy_only=False)] = self.missing
        return found

    def to_list(self) -> list[Any]:
        """JSON-ready."""
        codes = None if self.codes is None else dict(self.codes)
        return [self.column, self.centre, self.scale, self.missing, codes]


@dataclass(frozen=True)
class Joint:
    """Rows, and the sums (`totals`) and the sums of products (`products`, the upper triangle row by row) of their
    codes."""

    codes: tuple[Code, ...]
    rows: int = 0
    totals: tuple[int, ...] = ()
    products: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        many = len(self.codes)
        if not self.totals:
            object.__setattr__(self, "totals", (0,) * many)
            object.__setattr__(self, "products", (0,) * (many * (many + 1) // 2))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(code.column for code in self.codes)

    def zero(self) -> Joint:
        """The empty state with the same codes."""
        return Joint(self.codes)

    def add(self, values: Mapping[str, pa.Array]) -> Joint:
        """This state with a batch of rows taken in."""
        rows = len(next(iter(values.values()))) if values else 0
        if not rows:
            return self
        matrix = np.empty((rows, len(self.codes)))
        for at, code in enumerate(self.codes):
            matrix[:, at] = code.encode(values[code.column])
        upper = np.triu_indices(len(self.codes))
        found = self
        for start in range(0, rows, _BLOCK):
            part = matrix[start : start + _BLOCK]
            products = (part.T @ part)[upper]
            found += Joint(self.codes, len(part), _whole(part.sum(axis=0)), _whole(products))
        return found

    def __add__(self, other: Joint) -> Joint:
        check_like(self, other, "codes")
        totals = tuple(a + b for a, b in zip(self.totals, other.totals, strict=True))
        products = tuple(a + b for a, b in zip(self.products, other.products, strict=True))
        return Joint(self.codes, self.rows + other.rows, totals, products)

    def means(self) -> NDArray[np.float64]:
        """The mean code of each column, in deviations of the plan."""
        return np.array(self.totals, dtype=float) / UNIT / max(self.rows, 1)

    def second(self) -> NDArray[np.float64]:
        """The mean of each product of two codes: a symmetric matrix."""
        many = len(self.codes)
        found = np.zeros((many, many))
        found[np.triu_indices(many)] = np.array(self.products, dtype=float) / UNIT**2 / max(self.rows, 1)
        result: NDArray[np.float64] = found + np.triu(found, 1).T
        return result

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "joint",
            "version": 1,
            "codes": [code.to_list() for code in self.codes],
            "rows": self.rows,
            "totals": list(self.totals),
            "products": list(self.products),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Joint:
        """The inverse of `to_dict`."""
        check_version(data, "joint", 1)
        codes = tuple(Code(*code) for code in data["codes"])
        return cls(codes, data["rows"], tuple(data["totals"]), tuple(data["products"]))


def number_code(column: str, points: Sequence[float], weights: Sequence[float]) -> Code:
    """The code of a numeric column from values (or quantiles) and the rows that each stands for."""
    values, rows = np.array(points, dtype=float), np.array(weights, dtype=float)
    if not rows.sum():
        return Code(column, 0.0, 1.0, 0.0)
    mean = float(np.average(values, weights=rows))
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=rows)))
    scale = spread if np.isfinite(spread) and spread > 0 else 1.0
    return Code(column, mean, scale, mean)


def category_code(column: str, counts: Mapping[str, int], named: Sequence[str], missing: int = 0) -> Code:
    """The code of a column of texts: each of the `named` categories by its share of the rows, those `missing` taken for
    the commonest (the first of them in order of name)."""
    if not counts:
        return Code(column, 0.0, 1.0, 0.0, {})
    commonest = min(counts, key=lambda name: (-counts[name], name))
    total = sum(counts.values()) + missing
    codes = {name: (counts[name] + missing * (name == commonest)) / total for name in named if name in counts}
    shares = np.array(list(codes.values()))
    mean = float((shares**2).sum())
    spread = float(np.sqrt(max((shares * (shares - mean) ** 2).sum(), 0.0)))
    return Code(column, mean, spread if spread > 1e-9 else 1.0, codes.get(commonest, 0.0), codes)


def _whole(values: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


