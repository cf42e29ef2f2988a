"""Many aggregates, percentiles and key checks over one batch: one aggregate query, up to three for the percentiles,
and one group-by. Knows Spark, not suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from .quantiles import Extent, Quantiles, binned

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

POSITION = "__perdure_position"
LANDED = "_landed"
"""A column that tells landings apart where later ones may correct rows of earlier ones: a suite's uniqueness is asked
within each of them, since a row and its correction share their key by intention."""


@dataclass(frozen=True)
class KeyCheck:
    """The rows that `where` keeps, told apart by `columns`; nulls are values like any other."""

    columns: tuple[Column, ...]
    where: Column | None = None
    distinct: bool = False
    """Whether the number of keys is wanted, too: then 128 bits of hash tell keys apart, else 64 bits will do."""


@dataclass(frozen=True)
class KeyCount:
    """`keys` different keys; `repeated` rows whose key's hash occurs more than once: zero proves that none repeats."""

    keys: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Duplicates:
    """What an exact look at repeated keys found: all rows that share a key, those beyond the first, and a sample."""

    rows: int
    surplus: int
    sample: tuple[Row, ...]


@dataclass(frozen=True)
class Found:
    """A scan's answers by name; what could not be computed stands in `errors` instead."""

    values: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, KeyCount] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)


@dataclass
class Scan:
    """Collects aggregates (`values`), percentiles (`quantiles`), key checks (`keys`) and helper columns for them, then
    answers all in `run`.

    Spark has no code for percentiles: one of them in a query keeps all its other aggregates from being compiled, so
    they have queries of their own, which read few columns."""

    frame: DataFrame
    helpers: dict[str, Column] = field(default_factory=dict)
    values: dict[str, Column] = field(default_factory=dict)
    quantiles: dict[str, Quantiles] = field(default_factory=dict)
    keys: dict[str, KeyCheck] = field(default_factory=dict)

    def run(self) -> Found:
        """Five queries at most. A broken aggregate or check is found by halving, so it costs no other its answer."""
        frame = self.frame.withColumns(self.helpers) if self.helpers else self.frame
        extents = {f"extent of {name}": asked.extent() for name, asked in self.quantiles.items()}
        values, errors = _aggregate(frame, {**self.values, **extents})
        known = {name: Extent(*values.pop(f"extent of {name}")) for name in self.quantiles
                 if f"extent of {name}" not in errors}  # fmt: skip
        errors |= {name: errors.pop(f"extent of {name}") for name in self.quantiles if name not in known}
        found, quantile_errors = _quantiles(frame, self.quantiles, known)
        keys, key_errors = _count_keys(frame, self.keys)
        return Found(values | found, keys, errors | quantile_errors | key_errors)


def both(*conditions: Column | None) -> Column | None:
    """The conjunction of those that are not None; None when all are."""
    given = [condition for condition in conditions if condition is not None]
    return reduce(lambda one, other: one & other, given) if given else None


def either(conditions: Sequence[Column]) -> Column:
    """The disjunction, in which an unknown (null) condition counts as false."""
    return reduce(lambda one, other: one | other, [holds(condition) for condition in conditions], F.lit(False))


def holds(condition: Column) -> Column:
    """The condition with null as false, as a filter reads it."""
    return F.coalesce(condition, F.lit(False))


def count_where(condition: Column | None) -> Column:
    """An aggregate: how many rows the condition keeps; None keeps all."""
    return F.count(F.lit(1)) if condition is None else F.count(F.when(condition, F.lit(1)))


def first_values(condition: Column, values: Sequence[Column], count: int) -> Column:
    """An aggregate: `values` as structs of the first `count` rows (by `POSITION`) that the condition keeps."""
    return F.min_by(F.when(condition, F.struct(*values)), F.when(condition, F.col(POSITION)), count)


def with_position(frame: DataFrame) -> DataFrame:
    """The frame with its rows numbered in reading order, with gaps."""
    return frame.withColumn(POSITION, F.monotonically_increasing_id())


def duplicates(frame: DataFrame, check: KeyCheck, count: int) -> Duplicates:
    """Compares the keys themselves: how many rows share one, and up to `count` such keys, least first, each with its
    number of rows as last field. One query; worth it only where `KeyCount.repeated` is not zero."""
    rows = frame if check.where is None else frame.filter(check.where)
    names = [f"key{index}" for index in range(len(check.columns))]
    groups = rows.select(*(column.alias(name) for column, name in zip(check.columns, names, strict=True)))
    groups = groups.groupBy(*names).agg(F.count(F.lit(1)).alias("rows")).filter(F.col("rows") > 1)
    found = groups.agg(
        F.sum("rows"), F.count(F.lit(1)), F.min_by(F.struct(*names, "rows"), F.struct(*names), count)
    ).collect()[0]
    return Duplicates(found[0] or 0, (found[0] or 0) - found[1], tuple(found[2] or ()))


def _aggregate(frame: DataFrame, columns: Mapping[str, Column]) -> tuple[dict[str, Any], dict[str, Exception]]:
    if not columns:
        return {}, {}
    try:
        row = frame.agg(*columns.values()).collect()[0]
        return dict(zip(columns, row, strict=True)), {}
    except Exception as error:  # Spark raises a class of its own for each way that a query can be wrong.
        return _halved(lambda part: _aggregate(frame, part), columns, error)


def _quantiles(frame: DataFrame, asked: Mapping[str, Quantiles], extents: Mapping[str, Extent]
               ) -> tuple[dict[str, Any], dict[str, Exception]]:
    """The percentiles of columns whose extents are known; a list each, None where nothing counts."""
    found: dict[str, Any] = {name: [extent.low] * len(asked[name].shares) if extent.count else None
                             for name, extent in extents.items() if extent.constant}  # fmt: skip
    many = {name: asked[name] for name, extent in extents.items() if name not in found and extent.many}
    if many:
        with suppress(Exception):  # whichever is broken, the other way says so
            found |= binned(frame, many, extents)
    values, errors = _aggregate(frame, {name: asked[name].direct() for name in extents if name not in found})
    return found | values, errors


@dataclass
class _Keys:
    """Checks (by name, with the rows that each keeps) of the same columns: their keys are hashed and grouped once."""

    columns: tuple[Column, ...]
    distinct: bool = False
    where: dict[str, Column | None] = field(default_factory=dict)


def _count_keys(
    frame: DataFrame, checks: Mapping[str, KeyCheck]
) -> tuple[dict[str, KeyCount], dict[str, Exception]]:
    if not checks:
        return {}, {}
    try:
        merged = _merged(checks)
        most = max(len(keys.where) for keys in merged)
        kept = [f"kept{at}" for at in range(most)]
        rows = _hashes(frame, merged, most)
        by = [name for name in rows.columns if name not in kept]
        counts = rows.groupBy(*by).agg(*(F.sum(name).alias(name) for name in kept))
        answers = [F.struct(F.count_if(F.col(name) > 0), F.sum(F.when(F.col(name) > 1, F.col(name)))) for name in kept]
        found = {row[0]: row[1:] for row in counts.groupBy(_check(by).alias("check")).agg(*answers).collect()}
        return {
            name: KeyCount(*(number or 0 for number in found[index][at])) if index in found else KeyCount()
            for index, keys in enumerate(merged)
            for at, name in enumerate(keys.where)
        }, {}
    except Exception as error:
        return _halved(lambda part: _count_keys(frame, part), checks, error)


def _check(by: Sequence[str]) -> Column:
    return F.col("check") if "check" in by else F.lit(0)


def _merged(checks: Mapping[str, KeyCheck]) -> list[_Keys]:
    found: dict[str, _Keys] = {}
    for name, check in checks.items():
        keys = found.setdefault(str(check.columns), _Keys(check.columns))
        keys.distinct |= check.distinct
        keys.where[name] = check.where
    return list(found.values())


def _hashes(frame: DataFrame, merged: Sequence[_Keys], most: int) -> DataFrame:
    """One row a list of columns and batch row: check (its number, where there are several), hash, more (a second hash
    where 64 bits are too few), and kept0 ... : 1 where the check keeps the row, else 0."""
    structs = []
    for index, keys in enumerate(merged):
        ones = [F.lit(1) if where is None else F.when(where, 1).otherwise(0) for where in keys.where.values()]
        more = F.xxhash64(F.lit(1), *keys.columns) if keys.distinct else F.lit(0).cast("bigint")
        structs.append([
            *([F.lit(index).alias("check")] if len(merged) > 1 else []),
            F.xxhash64(*keys.columns).alias("hash"),
            *([more.alias("more")] if any(keys.distinct for keys in merged) else []),
            *(one.alias(f"kept{at}") for at, one in enumerate([*ones, *[F.lit(0)] * (most - len(ones))])),
        ])  # fmt: skip
    any_kept = " + ".join(f"kept{at}" for at in range(most)) + " > 0"
    if len(merged) == 1:
        return frame.select(*structs[0]).where(any_kept)
    each = frame.select(F.explode(F.array(*(F.struct(*columns) for columns in structs))).alias("row"))
    return each.select("row.*").where(any_kept)


def _halved(attempt: Any, items: Mapping[str, Any], error: Exception) -> tuple[dict[str, Any], dict[str, Exception]]:
    """Both halves' answers; a single item that fails keeps its error."""
    if len(items) == 1:
        return {}, {next(iter(items)): error}
    pairs = list(items.items())
    middle = len(pairs) // 2
    left, left_errors = attempt(dict(pairs[:middle]))
    right, right_errors = attempt(dict(pairs[middle:]))
    return {**left, **right}, {**left_errors, **right_errors}
