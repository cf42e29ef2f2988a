"""Percentiles of columns. Of few rows they are Spark's own; many rows are counted in bins first.

`percentile_approx` is interpreted, and Spark 4.2 makes a configuration for every number that it is given: a microsecond
each. A count by bins between the column's extremes is compiled code, a tenth of that. A bin that holds one value, or no
more rows than the error allows, answers by itself; only the rows of the others, few of all, go to `percentile_approx`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

BINS, MOST = 1 << 14, 1 << 18
"""Of one column, and of all columns together, whose counts the driver holds."""
MANY = 500_000
"""Values from which two passes cost less than one."""


@dataclass(frozen=True)
class Quantiles:
    """What is asked of a column of doubles, null where a row doesn't count: the values at these `shares` of the ranks,
    0 to 1. The rank of an answer is off by the share `error` of all values, at most."""

    value: Column
    shares: tuple[float, ...]
    error: float

    def extent(self) -> Column:
        """An aggregate: count, least and greatest value."""
        return F.struct(F.count(self.value), F.min(self.value), F.max(self.value))

    def direct(self) -> Column:
        """An aggregate: the answers, as an array, by Spark's own sketch."""
        return F.percentile_approx(self.value, list(self.shares), math.ceil(1 / self.error))


@dataclass(frozen=True)
class Extent:
    """What `Quantiles.extent` found; the extremes are None where nothing counts."""

    count: int
    low: float | None
    high: float | None

    @property
    def constant(self) -> bool:
        """Whether nothing needs to be asked."""
        return self.low == self.high

    @property
    def many(self) -> bool:
        """Whether counting in bins is worth it, and possible."""
        return self.count >= MANY and 0 < self._width < math.inf and math.isfinite(BINS / self._width)

    @property
    def _width(self) -> float:
        return math.nan if self.low is None or self.high is None else self.high - self.low

    def bin(self, value: Column, bins: int) -> Column:
        """The bin of a value, of so many; they are in the order of their values."""
        return F.floor((value - F.lit(self.low)) * F.lit(bins / self._width))


def binned(frame: DataFrame, asked: Mapping[str, Quantiles], extents: Mapping[str, Extent]) -> dict[str, list[float]]:
    """The answers, of columns with `Extent.many`. One query, and a second one where bins don't answer by themselves."""
    names = list(asked)
    bins = [extents[name].bin(asked[name].value, max(1, min(BINS, MOST // len(names)))) for name in names]
    structs = [F.struct(F.lit(at).alias("at"), found.alias("bin"), asked[name].value.alias("value"))
               for at, (name, found) in enumerate(zip(names, bins, strict=True))]
    one = structs[0] if len(structs) == 1 else F.explode(F.array(*structs))
    rows = frame.select(one.alias("one")).select("one.*").where("value IS NOT NULL").groupBy("at", "bin")
    counted = rows.agg(F.count("value").alias("rows"), F.min("value").alias("low"), F.max("value").alias("high"))
    by_column: list[list[Row]] = [[] for _ in names]
    for row in sorted(counted.collect(), key=lambda row: (row["at"], row["bin"])):
        by_column[row["at"]].append(row)
    answers = {name: list(_read(asked[name], extents[name].count, by_column[at])) for at, name in enumerate(names)}
    _look_up(frame, asked, dict(zip(names, bins, strict=True)), answers)
    return {name: [float(value) for value in found] for name, found in answers.items()}


@dataclass(frozen=True)
class _Open:
    """A value that is still to be found: in a bin, at a share of its ranks."""

    bin: int
    share: float


def _read(asked: Quantiles, count: int, bins: Sequence[Row]) -> Iterator[Any]:
    """For each share its value, or where it is to be looked up."""
    for share in asked.shares:
        rank, before = max(1, math.ceil(share * count)), 0
        for one in bins:
            if before + one["rows"] >= rank:
                break
            before += one["rows"]
        if rank == before + one["rows"]:
            yield one["high"]
        elif rank == before + 1 or one["low"] == one["high"] or one["rows"] <= asked.error * count:
            yield one["low"]
        else:
            yield _Open(one["bin"], (rank - before - 0.5) / one["rows"])


def _look_up(
    frame: DataFrame, asked: Mapping[str, Quantiles], bins: Mapping[str, Column], answers: Mapping[str, list[Any]]
) -> None:
    """Puts the values that are still open into the answers; nothing is read where there are none."""
    left = [(name, place, found) for name, each in answers.items() for place, found in enumerate(each)
            if isinstance(found, _Open)]  # fmt: skip
    if not left:
        return
    wanted = list(dict.fromkeys((name, found.bin) for name, _, found in left))
    inside = {key: bins[key[0]] == F.lit(key[1]) for key in wanted}
    shares = {key: tuple(found.share for name, _, found in left if (name, found.bin) == key) for key in wanted}
    some = F.lit(False)
    for condition in inside.values():
        some = some | condition
    each = [replace(of := asked[key[0]], value=F.when(inside[key], of.value), shares=shares[key]) for key in wanted]
    found = frame.where(some).agg(*(one.direct() for one in each)).collect()[0]
    values = {key: iter(answer) for key, answer in zip(wanted, found, strict=True)}
    for name, place, one in left:
        answers[name][place] = next(values[name, one.bin])
