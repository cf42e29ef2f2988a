"""The fastest scan: Spark tasks that read a table's own Parquet files column-wise, past Spark's row reader.

Gives what `scan.scan` gives, state by state. It needs a table whose files say all: no deletion vectors, no column
mapping, files on a file system that every executor mounts, and columns that Arrow turns into numbers and texts as Spark
does. Anything else goes through Spark's own reader, silently: the answer is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from perdure.core.identifiers import quoted

from .gather import SCHEMA, SLICES, as_rows, gathered
from .profile import ALL, Profile, Slice
from .scan import SLICE, at_once, cut, scan, start

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from pyspark.sql import DataFrame

    Worker = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_TASKS, _FEW = 256, 16
_ROWS = 1 << 19  # read and counted at a time, at most
_COLUMNS = 100  # read side by side, at most: a page of each is in memory, and a row group of a wide table is a page
_FOREIGN = {"deletionVectors", "columnMapping"}  # table features whose files alone don't tell the rows
_ALIKE = ("boolean", "string", "tinyint", "smallint", "int", "bigint", "float", "double")
_TEXT_ALIKE = ("boolean", "string", "tinyint", "smallint", "int", "bigint")


WORTH = 200_000
"""Rows from which reading files directly is cheaper: below, looking them up costs more than Spark's reader does."""


@dataclass(frozen=True)
class Within:
    """Rows with `since` <= `column` < `until`; the column is a timestamp."""

    column: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Stored:
    """The rows of a Delta table `within` a time: `table` as it was opened, with nothing done to it, at any version; its
    `name` as SQL calls it."""

    table: DataFrame
    name: str
    within: Within | None = None


def scan_table(
    table: DataFrame, name: str, zero: Profile, slices: Sequence[str] = (), within: Within | None = None
) -> dict[Slice, Profile]:
    """As `scan.scan`, for the rows of a whole Delta table (or those `within` a time). `table` is the table as it was
    opened, with nothing done to it, at any version; `name` is how SQL calls it (for its features)."""
    rows = table if within is None else table.where(_condition(within))
    files = plain_files(rows, name, [*zero.columns, *slices], slices, within)
    found = None if files is None else _scan_files(table, files, zero, tuple(slices), within)
    return scan(rows, zero, slices, many=True) if found is None else found


def plain_files(
    rows: DataFrame, name: str, columns: Sequence[str], slices: Sequence[str] = (), within: Within | None = None
) -> list[str] | None:
    """The paths of the files that hold the rows, where they can be read directly; None where they can't."""
    types = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    if any(types.get(column) not in _ALIKE for column in columns):
        return None
    if any(types.get(column) not in _TEXT_ALIKE for column in slices):
        return None
    if within is not None and types.get(within.column) != "timestamp":
        return None
    detail = rows.sparkSession.sql(f"DESCRIBE DETAIL {name}").collect()[0]
    partitioned = {*columns, *([within.column] if within else ())} & set(detail["partitionColumns"] or ())
    if partitioned or _FOREIGN & set(detail["tableFeatures"] or ()):
        return None
    found = [urlsplit(file) for file in rows.inputFiles()]
    if any(url.scheme not in ("", "file") for url in found):
        return None
    return sorted(unquote(url.path) for url in found)


def _condition(within: Within) -> str:
    since, until = (moment.isoformat() for moment in (within.since, within.until))
    column = quoted(within.column)
    return f"{column} >= timestamp'{since}' AND {column} < timestamp'{until}'"


def _scan_files(
    table: DataFrame, files: Sequence[str], zero: Profile, slices: tuple[str, ...], within: Within | None
) -> dict[Slice, Profile] | None:
    """None where a file can't be read from where a task runs (a disk that is not shared, say)."""
    if not files:
        return {ALL: zero}
    # A task each (or some), the largest first: they end together.
    tasks = min(len(files), _TASKS)
    heaviest = sorted(files, key=lambda file: Path(file).stat().st_size if Path(file).exists() else 0, reverse=True)
    groups = [heaviest[place::tasks] for place in range(tasks)]
    numbers = table.sparkSession.range(0, tasks, 1, tasks)
    parts = numbers.mapInArrow(_reader(groups, json.dumps(zero.to_dict()), slices, within), SCHEMA)
    return gathered(parts, zero, many=len(files) > _FEW)


def _reader(groups: Sequence[Sequence[str]], zero: str, slices: tuple[str, ...], within: Within | None) -> Worker:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        empty = Profile.from_dict(json.loads(zero))
        for file in (file for each in batches for number in each.column(0).to_pylist() for file in groups[number]):
            try:
                yield as_rows(_profiles(file, empty, slices, within))
            except OSError:
                yield as_rows(None)

    return read


def _profiles(
    file: str, empty: Profile, slices: tuple[str, ...], within: Within | None
) -> dict[Slice, Profile]:
    """One file's profiles, read some columns at a time."""
    import pyarrow.parquet as pq

    found: dict[Slice, Profile] = {}
    with pq.ParquetFile(file, memory_map=True) as source:
        for part in _parts(empty):
            for key, profile in _read(source, part, slices, within).items():
                found[key] = found[key].beside(profile) if key in found else profile
    return found


def _parts(empty: Profile) -> Iterator[Profile]:
    """The columns in groups, those that go together in the first."""
    together = empty.joint.columns if empty.joint else ()
    names = [*together, *(name for name in empty.columns if name not in together)]
    for at in range(0, max(len(names), 1), _COLUMNS):
        yield empty.only(names[at : at + _COLUMNS])


def _read(
    source: pq.ParquetFile, empty: Profile, slices: tuple[str, ...], within: Within | None
) -> dict[Slice, Profile]:
    """A file's profiles, read in parts of about half a million rows."""
    found: dict[Slice, Profile] = {}
    wanted = {*empty.columns, *slices, *([within.column] if within else ())}
    present = [name for name in source.schema_arrow.names if name in wanted]
    for batch in source.iter_batches(batch_size=at_once(_ROWS, len(present)), columns=present):
        table = _chosen(batch, empty, slices, within)
        if table.num_rows:
            for key, rows in cut(table, slices):
                found[key] = (found.get(key) or start(empty, key, ())).add(rows)
        if len(found) > SLICES * (len(slices) + 1):
            break  # the driver says what is wrong
    return found


def _chosen(batch: pa.RecordBatch, empty: Profile, slices: tuple[str, ...], within: Within | None) -> pa.Table:
    """The columns to profile, and the slices as text beside them. A column that a file of an earlier schema lacks is
    null."""
    table = pa.Table.from_batches([batch])
    if within is not None:
        moment = pa.timestamp("us", "UTC")
        time = table.column(within.column).cast(moment)
        inside = pc.and_(pc.greater_equal(time, pa.scalar(within.since, moment)),
                         pc.less(time, pa.scalar(within.until, moment)))
        if not pc.all(inside, skip_nulls=False).as_py():
            table = table.filter(inside)

    def column(name: str, kind: pa.DataType | None) -> pa.ChunkedArray:
        if name not in table.column_names:
            return pa.chunked_array([pa.nulls(table.num_rows, kind or pa.float64())])
        values = table.column(name)
        return values if kind is None else values.cast(kind)

    kinds = {name: pa.string() if profile.kind == "categorical" else None for name, profile in empty.columns.items()}
    columns = {name: column(name, kind) for name, kind in kinds.items()}
    return pa.table({**columns, **{SLICE + name: column(name, pa.string()) for name in slices}})
