"""The laws that every source obeys. A new source needs only a `Sample` (how to write its format) to be held to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.interval import Duration, Interval
from perdure.steps.late import belonging
from perdure.steps.validate import validate

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
    place of their own, and opening it may start a job. `remote`: so may opening a file, whose head Spark must fetch."""

    format: str
    columns: Mapping[str, str]
    write: Callable[[Path, Sequence[Row], Sequence[str]], list[int]]
    bad: tuple[str, ...] = ()
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    name: Callable[[Path], str] = str
    table: bool = False
    remote: bool = False

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
    assert sample.table or sample.remote or count.jobs == 0
    frame.collect()
    assert not frame.storageLevel.useMemory
    assert sample.table or spark._jsc.sc().getPersistentRDDs().size() == before  # Delta itself keeps a table's state


def puts_late_rows_where_they_belong(spark: SparkSession, sample: Sample, folder: Path, rows: Sequence[Row]) -> None:
    """With `late: upsert`, rows of an earlier interval that land with a later one are that interval's, a correction
    takes the place of what it corrects, every record is counted once, and all this in any order of the files."""
    key = next(name for name, kind in sample.columns.items() if kind == "int")
    time = next(name for name, kind in sample.columns.items() if kind == "timestamp")
    first = Interval.parse("2013-01", Duration(1, "month"))
    half, at = len(rows) // 2, datetime(2013, 1, 9)  # noqa: DTZ001 (as files have it; it is UTC)
    there = [{**row, key: number, time: at} for number, row in enumerate(rows[:half])]
    corrected = {**there[0], time: at.replace(day=10)}
    late = [{**row, key: half + number, time: at} for number, row in enumerate(rows[half:-1])]
    own = {**rows[-1], key: 0, time: at.replace(month=2)}
    landed = []
    for interval, some in ((first, there), (first.next, [own, corrected, *late])):
        sample.write(folder / interval.label, some, sample.bad)
        landed.append(sample.read(spark, [folder / interval.label]).selectExpr("*", f"'{interval}' AS _interval"))
    given = {"format": sample.format, "path": "{interval}", "schema": dict(sample.columns), "late": "upsert"}
    config = Source.model_validate({**given, "key": [key], "event_time": time})
    before, after = landed if len(rows) % 2 else landed[::-1]
    judged = []
    for interval, others in ((first, [first.next.label]), (first.next, [])):
        mine = belonging(before.unionAll(after), config=config, interval=interval, begin=first.start, others=others)
        judged.append(validate(mine, source="x", config=config, suite=None, interval=interval))
    assert [step.facts["rows_in"] for step in judged] == [len(rows) + len(sample.bad), 1 + len(sample.bad)]
    assert [step.facts["duplicates"] for step in judged] == [1, 0]
    assert [step.facts["quarantined"] for step in judged] == [len(sample.bad)] * 2
    good = _counted(judged[0].writes[0].rows.collect(), sample)
    assert good == Counter(_plain(row, sample.columns) for row in [corrected, *there[1:], *late])


LAWS = (
    has_the_promised_shape,
    gives_back_what_was_written,
    accounts_for_every_record,
    is_the_same_in_any_file_order,
    leaves_nothing_behind,
    puts_late_rows_where_they_belong,
)


def _counted(found: Sequence[Any], sample: Sample) -> Counter[tuple[Any, ...]]:
    return Counter(_plain(row.asDict(), sample.columns) for row in found)


def _plain(row: Row, columns: Mapping[str, str]) -> tuple[Any, ...]:
    # NaN isn't equal to itself; its text is.
    values = [row[name] for name in columns]
    return tuple("NaN" if isinstance(value, float) and value != value else value for value in values)
