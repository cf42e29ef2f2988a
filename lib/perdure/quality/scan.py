"""Many aggregates and key checks over one batch, in one aggregate query and one group-by. Knows Spark, not suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

POSITION = "__perdure_position"


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
    """Collects aggregates (`values`), key checks (`keys`) and helper columns for them, then answers all in `run`."""

    frame: DataFrame
    helpers: dict[str, Column] = field(default_factory=dict)
    values: dict[str, Column] = field(default_factory=dict)
    keys: dict[str, KeyCheck] = field(default_factory=dict)

    def run(self) -> Found:
        """Two queries at most. A broken aggregate or check is found by halving, so it costs no other its answer."""
        frame = self.frame.withColumns(self.helpers) if self.helpers else self.frame
        values, errors = _aggregate(frame, self.values)
        keys, key_errors = _count_keys(frame, self.keys)
        return Found(values, keys, errors | key_errors)


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


def _count_keys(
    frame: DataFrame, checks: Mapping[str, KeyCheck]
) -> tuple[dict[str, KeyCount], dict[str, Exception]]:
    if not checks:
        return {}, {}
    try:
        groups = _hashes(frame, list(checks.values())).groupBy("check", "hash", "more").agg(
            F.count(F.lit(1)).alias("rows")
        )
        repeated = F.sum(F.when(F.col("rows") > 1, F.col("rows")).otherwise(0))
        found = {row[0]: row for row in groups.groupBy("check").agg(F.count(F.lit(1)), repeated).collect()}
        empty = (0, 0, 0)
        return {name: KeyCount(*found.get(index, empty)[1:]) for index, name in enumerate(checks)}, {}
    except Exception as error:
        return _halved(lambda part: _count_keys(frame, part), checks, error)


def _hashes(frame: DataFrame, checks: Sequence[KeyCheck]) -> DataFrame:
    """One row a check and batch row: check (its number), hash, more (a second hash where 64 bits are too few)."""
    structs = [
        F.struct(
            F.lit(index).alias("check"),
            F.xxhash64(*check.columns).alias("hash"),
            (F.xxhash64(F.lit(1), *check.columns) if check.distinct else F.lit(0).cast("bigint")).alias("more"),
        )
        for index, check in enumerate(checks)
    ]
    if len(checks) == 1:
        rows = frame if checks[0].where is None else frame.filter(checks[0].where)
        return rows.select(structs[0].alias("row")).select("row.*")
    kept = [
        struct if check.where is None else F.when(check.where, struct)
        for struct, check in zip(structs, checks, strict=True)
    ]
    return frame.select(F.explode(F.array_compact(F.array(*kept))).alias("row")).select("row.*")


def _halved(attempt: Any, items: Mapping[str, Any], error: Exception) -> tuple[dict[str, Any], dict[str, Exception]]:
    """Both halves' answers; a single item that fails keeps its error."""
    if len(items) == 1:
        return {}, {next(iter(items)): error}
    pairs = list(items.items())
    middle = len(pairs) // 2
    left, left_errors = attempt(dict(pairs[:middle]))
    right, right_errors = attempt(dict(pairs[middle:]))
    return {**left, **right}, {**left_errors, **right_errors}
