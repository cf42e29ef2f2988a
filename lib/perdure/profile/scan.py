"""Profiles of a DataFrame: `plan` looks once at the reference, `scan` profiles any rows comparably in one
Spark action.

Both send Python functions to the rows (`mapInArrow`, so Spark Connect will do); each partition gives back a
few small rows, which are merged here in the order of the partitions. Executors need `perdure` and pyarrow,
numpy, pandas.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perdure.core.identifiers import quoted

from ._values import counted, finite
from .gather import SCHEMA, SLICES, as_rows, gathered
from .joint import MOST, Code, Joint, category_code, number_code
from .profile import ALL, Column, ColumnProfile, Kind, Profile, Slice

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType

    Worker = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

# A numeric column has this many quantile cells, of a slice's rows a quarter of them; one with fewer distinct values has
# a cell for each.
CELLS = 400
NAMES = 100  # categories of the reference that are always counted by name
_SAMPLE = 100_000  # rows of a partition that a plan looks at, at most
_POINTS = 1000  # that a partition says of a column with more values
_CHUNK = 65_536  # rows profiled at a time, at most
VALUES = 1 << 24  # held at a time, at most: memory stays flat for wide tables, too
_PART, _ORDER, SLICE = "__part", "__order", "__slice_"


def kinds(df: DataFrame, columns: Iterable[str]) -> dict[str, tuple[str, Kind]]:
    """SQL type and kind of those columns that can be profiled: numbers, strings and booleans. Times, dates,
    binary and nested columns can't."""
    found = {name: (df.schema[name].dataType.simpleString(), _kind(df.schema[name].dataType)) for name in columns}
    return {name: (data_type, kind) for name, (data_type, kind) in found.items() if kind is not None}


def plan(df: DataFrame, columns: Sequence[str], jointly: Sequence[str] = ()) -> Profile:
    """An empty profile for `scan`, fitted to these rows: one histogram cell for each value where a column has
    at most `CELLS` of them, otherwise edges at the quantiles; the `NAMES` most frequent categories. Of the columns
    `jointly` (the first `joint.MOST` of them) it also takes in how they go together. One Spark action.

    Partitions beyond 100,000 rows (fewer of a table with hundreds of columns: `VALUES`) are looked at through a sample
    of that size, chosen by the rows' own hash, so the order of the rows does not matter.
    """
    from pyspark.sql import functions as sf

    known = kinds(df, columns)
    if not known:
        return Profile()
    picked = df.select(
        *_canonical(known),
        sf.spark_partition_id().alias(_PART),
        sf.xxhash64(*(quoted(name) for name in known)).alias(_ORDER),
    )
    rows = picked.mapInArrow(_scout(known), f"{_PART} int, name string, summary string").collect()
    summaries: dict[str, list[Any]] = {name: [] for name in known}
    for row in sorted(rows, key=lambda row: (row[_PART], row["name"])):
        summaries[row["name"]].append(json.loads(row["summary"]))
    starts = {name: _column(*known[name], found) for name, found in summaries.items()}
    together = [name for name in jointly if name in starts][:MOST]
    codes = tuple(_code(name, starts[name], summaries[name]) for name in together)
    columns_ = {name: ColumnProfile.start(column) for name, column in starts.items()}
    return Profile(columns_, Joint(codes) if len(codes) > 1 else None)


def scan(
    df: DataFrame, zero: Profile, slices: Sequence[str] = (), jointly: Sequence[str] = (), *, many: bool = False
) -> dict[Slice, Profile]:
    """The profile of all rows, under `profile.ALL`, and of each value of each slice column, under (column,
    value as text); rows whose slice is null are only in the whole. `zero` says what is profiled: a slice over a quarter
    of its edges, and no slice with how columns go together; but those slice columns that are named `jointly` as the
    whole is. One Spark action; of `many` rows (millions) the parts are added up before they come to the driver.

    Raises UsageError for a slice column with more than `SLICES` values.
    """
    from pyspark.sql import functions as sf

    known = {name: (column.data_type, column.kind) for name, column in zero.columns.items()}
    beside = [sf.col(quoted(name)).cast("string").alias(f"s{position}") for position, name in enumerate(slices)]
    picked = df.select(*_canonical(known), *beside)
    worker = _profiler(json.dumps(zero.to_dict()), tuple(slices), tuple(jointly))
    found = gathered(picked.mapInArrow(worker, SCHEMA), zero, many=many)
    assert found is not None, "each task gives what it found"
    return found


def _kind(data_type: DataType) -> Kind | None:
    from pyspark.sql.types import BooleanType, NumericType, StringType

    if isinstance(data_type, NumericType):
        return "numeric"
    return "categorical" if isinstance(data_type, (StringType, BooleanType)) else None


def _canonical(known: Mapping[str, tuple[str, Kind]]) -> list[Any]:
    """Numbers as double, the rest as string: the two forms that profiles take, whatever the reader. They go
    by their position, since `mapInArrow` can't do with every name."""
    from pyspark.sql import functions as sf

    types = {"numeric": "double", "categorical": "string"}
    return [
        sf.col(quoted(name)).cast(types[kind]).alias(f"c{position}")
        for position, (name, (_, kind)) in enumerate(known.items())
    ]


def at_once(rows: int, columns: int) -> int:
    """So many rows, or fewer where they have so many columns that they would hold more than `VALUES`."""
    return min(rows, max(VALUES // max(columns, 1), 8192))


def _scout(known: Mapping[str, tuple[str, Kind]]) -> Worker:
    most = at_once(_SAMPLE, len(known))

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        rows = 0
        for batch in batches:
            held, rows = [*held, batch], rows + batch.num_rows
            if sum(part.num_rows for part in held) > 2 * most:
                held = _sampled(held, most).to_batches()
        if rows:
            table = _sampled(held, most)
            part = table.column(_PART)[0].as_py()
            scale = rows / table.num_rows
            texts = [
                json.dumps(_summary(values, kind, scale))
                for values, (_, kind) in zip(table.columns, known.values(), strict=False)
            ]
            yield pa.RecordBatch.from_pydict(
                {_PART: pa.array([part] * len(known), pa.int32()), "name": list(known), "summary": texts}
            )

    return look


def _sampled(batches: Sequence[pa.RecordBatch], most: int = _SAMPLE) -> pa.Table:
    table = pa.Table.from_batches(batches)
    if table.num_rows <= most:
        return table
    return table.take(pc.sort_indices(table.column(_ORDER))[:most])


def _summary(values: pa.ChunkedArray, kind: Kind, scale: float) -> Any:
    """What one partition says of a column: counts by category (None: of what is missing); or values and the rows that
    each stands for."""
    array = values.combine_chunks()
    if kind == "categorical":
        common = Counter(counted(array)).most_common()
        ranked = sorted(common, key=lambda item: (-item[1], item[0]))[: 5 * NAMES]
        return [*ranked, *([(None, array.null_count)] if array.null_count else [])]
    found, counts = np.unique(finite(array), return_counts=True)
    if len(found) <= _POINTS:
        return [found.tolist(), (counts * scale).tolist()]
    shares = (np.cumsum(counts) - counts / 2) / counts.sum()
    marks = (np.arange(_POINTS) + 0.5) / _POINTS
    inner = found[np.clip(np.searchsorted(shares, marks), 0, len(found) - 1)]
    points = np.concatenate([found[:1], inner, found[-1:]])
    each = counts.sum() * scale / len(inner)
    return [points.tolist(), [0.0, *([each] * len(inner)), 0.0]]


def start(empty: Profile, key: Slice, jointly: Sequence[str]) -> Profile:
    """What a slice's profile starts from."""
    return empty if key == ALL or key[0] in jointly else empty.coarse().alone()


def _code(name: str, column: Column, summaries: Sequence[Any]) -> Code:
    if column.kind == "categorical":
        together: Counter[Any] = Counter()
        for summary in summaries:
            together.update(dict(summary))
        missing = together.pop(None, 0)
        return category_code(name, together, column.names, missing)
    points = [point for found, _ in summaries for point in found]
    return number_code(name, points, [weight for _, found in summaries for weight in found])


def _column(data_type: str, kind: Kind, summaries: Sequence[Any]) -> Column:
    if kind == "categorical":
        together: Counter[Any] = Counter()
        for summary in summaries:
            together.update(dict(summary))
        together.pop(None, None)
        names = sorted(together, key=lambda name: (-together[name], name))[:NAMES]
        return Column(data_type, kind, names=tuple(names))
    points = np.concatenate([np.array(points, dtype=float) for points, _ in summaries] or [np.empty(0)])
    weights = np.concatenate([np.array(weights, dtype=float) for _, weights in summaries] or [np.empty(0)])
    return Column(data_type, kind, edges=_edges(points, weights))


def _edges(points: Any, weights: Any) -> tuple[float, ...]:
    """Every value where there are at most `CELLS`, else the quantiles; then the first float above the largest
    value, so that the last cell holds only what the reference never saw. A column without values gets the
    edge 0."""
    if not len(points):
        return (0.0,)
    values, where = np.unique(points, return_inverse=True)
    if len(values) > CELLS:
        reached = np.cumsum(np.bincount(where, weights))
        marks = np.arange(CELLS) / CELLS * reached[-1]
        chosen = np.searchsorted(reached, marks, side="right")
        chosen[0] = 0
        values = np.unique(values[chosen])
    above = float(np.nextafter(points.max(), np.inf))
    return (*values.tolist(), *([above] if np.isfinite(above) else []))


def _profiler(zero: str, slices: tuple[str, ...], jointly: tuple[str, ...]) -> Worker:
    def profile(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        empty = Profile.from_dict(json.loads(zero))
        found: dict[Slice, Profile] = {}
        for chunk in _chunks(batches, at_once(_CHUNK, len(empty.columns))):
            table = chunk.rename_columns([*empty.columns, *(SLICE + name for name in slices)])
            for key, rows in cut(table, slices):
                found[key] = (found.get(key) or start(empty, key, jointly)).add(rows)
            if len(found) > SLICES * (len(slices) + 1):
                break  # the driver says what is wrong
        yield as_rows(found)

    return profile


def _chunks(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Batches joined to tables of about so many rows, none of them empty."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(part.num_rows for part in held) >= rows:
            yield pa.Table.from_batches(held).combine_chunks()
            held = []
    if any(part.num_rows for part in held):
        yield pa.Table.from_batches(held).combine_chunks()


def cut(table: pa.Table, slices: Sequence[str]) -> Iterator[tuple[Slice, pa.Table]]:
    """The table, and its part for each value of each slice column; of too many values one more than is allowed, for the
    driver to see."""
    yield ALL, table
    for name in slices:
        order = pc.sort_indices(table.column(SLICE + name))
        ordered = table.take(order).combine_chunks()
        groups = pc.value_counts(ordered.column(SLICE + name))
        start = 0
        for group in groups.slice(0, SLICES + 2).to_pylist():  # one may be null
            if group["values"] is not None:
                yield (name, group["values"]), ordered.slice(start, group["counts"])
            start += group["counts"]
