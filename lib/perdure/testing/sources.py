"""The laws that every source obeys. A new source needs only a `Sample` (how to write its format) to be held to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.config import Source

from .spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from perdure.core.protocols import JSON

ORIGIN = {"_file": "string", "_line": "bigint", "_record": "string", "_reject": "string"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """How to make files of a format: `write(path, rows, columns, bad)` writes `rows` (values by column name), with the
    raw records in `bad` placed among them, and gives the 1-based line of each. `bad`: records that don't parse; none
    for formats that have no raw records. `name`: what a path is called where the source reads it. `table`: rows have no
    place of their own, and opening it may start a job."""

    format: str
    columns: Mapping[str, str]
    write: Callable[[Path, Sequence[Row], Sequence[str]], list[int]]
    bad: tuple[str, ...] = ()
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    name: Callable[[Path], str] = str
    table: bool = False

    @property
    def config(self) -> Source:
        """The source section that describes the files."""
        return Source(format=self.format, path="x", schema=dict(self.columns), options=dict(self.options))

    def read(self, spark: SparkSession, files: Sequence[Path]) -> DataFrame:
        """The files through the registered source."""
        module: JSON = registry.load("perdure.sources", self.format)
        frame: DataFrame = module.read(spark, [self.name(file) for file in files], self.config)
        return frame


def has_the_promised_shape(spark: SparkSession, sample: Sample, folder: Path, rows: Sequence[Row]) -> None:
    """Declared columns and types first, in their declared order, then the four of origin; also for no file at all."""
    file = folder / "shape"
    sample.write(file, rows, ())
    names = {"integer": "int", "long": "bigint"}
    wanted = [(name, names.get(kind, kind).replace(" ", "")) for name, kind in {**sample.columns, **ORIGIN}.items()]
    for frame in (sample.read(spark, [file]), sample.read(spark, [])):
        assert frame.dtypes == wanted


def gives_back_what_was_written(spark: SparkSession, sample: Sample, folder: Path, rows: Sequence[Row]) -> None:
    """Values written by another library come back equal, none rejected."""
    file = folder / "written"
    sample.write(file, rows, ())
    found = sample.read(spark, [file]).collect()
    rejected = [(row["_record"], row["_reject"]) for row in found if row["_reject"]]
    assert not rejected, rejected
    assert _counted(found, sample) == Counter(_plain(row, sample.columns) for row in rows)


def accounts_for_every_record(spark: SparkSession, sample: Sample, folder: Path, rows: Sequence[Row]) -> None:
    """Good and rejected rows add up to the records; each has its file and its own place in it; a rejected one has
    record and reason, a good one neither; a bad record never hides a good one."""
    file = folder / "mixed"
    lines = sample.write(file, rows, sample.bad)
    found = sample.read(spark, [file]).collect()
    rejected = [row for row in found if row["_reject"] is not None]
    good = [row for row in found if row["_reject"] is None]
    assert len(found) == len(rows) + len(sample.bad)
    assert sorted((row["_line"], row["_record"]) for row in rejected) == sorted(zip(lines, sample.bad, strict=True))
    assert _counted(good, sample) == Counter(_plain(row, sample.columns) for row in rows)
    assert all(row["_record"] is None for row in good)
    assert sample.table or len({row["_line"] for row in found} - {None}) == len(found)
    assert {row["_file"] for row in found} == {sample.name(file)}


def is_the_same_in_any_file_order(spark: SparkSession, sample: Sample, folder: Path, rows: Sequence[Row]) -> None:
    """The rows don't depend on the order of the files, nor on how often they were read before, nor on how many files
    they are spread over."""
    half = len(rows) // 2
    files = [folder / "first", folder / "second", folder / "empty"]
    for file, part in zip(files, (rows[:half], rows[half:], ()), strict=True):
        sample.write(file, part, sample.bad if part else ())
    once = Counter(map(str, sample.read(spark, files).collect()))
    assert once.total() == len(rows) + 2 * len(sample.bad)
    assert Counter(map(str, sample.read(spark, files).collect())) == once
    assert Counter(map(str, sample.read(spark, files[::-1]).collect())) == once
    apart = [row for file in files for row in sample.read(spark, [file]).collect()]
    assert Counter(map(str, apart)) == once


def leaves_nothing_behind(spark: SparkSession, sample: Sample, folder: Path, rows: Sequence[Row]) -> None:
    """Reading is lazy and caches nothing."""
    file = folder / "lazy"
    sample.write(file, rows, sample.bad)
    before = spark._jsc.sc().getPersistentRDDs().size()
    with count_jobs(spark) as count:
        frame = sample.read(spark, [file])
    assert sample.table or count.jobs == 0
    frame.collect()
    assert not frame.storageLevel.useMemory
    assert sample.table or spark._jsc.sc().getPersistentRDDs().size() == before  # Delta itself keeps a table's state


LAWS = (
    has_the_promised_shape,
    gives_back_what_was_written,
    accounts_for_every_record,
    is_the_same_in_any_file_order,
    leaves_nothing_behind,
)


def _counted(found: Sequence[Any], sample: Sample) -> Counter[tuple[Any, ...]]:
    return Counter(_plain(row.asDict(), sample.columns) for row in found)


def _plain(row: Row, columns: Mapping[str, str]) -> tuple[Any, ...]:
    # NaN isn't equal to itself; its text is.
    values = [row[name] for name in columns]
    return tuple("NaN" if isinstance(value, float) and value != value else value for value in values)
