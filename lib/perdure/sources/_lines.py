"""Text files as lines that know their number. The numbers cost nothing for small files and one bare scan of the lines
for large ones; no row is moved for them.

Spark numbers rows as it reads them (`monotonically_increasing_id`: partition, then place in the partition). A small
file alone in its partition thus has its line numbers at once. Where partitions hold several files or parts of files,
one pass counts each part's lines, and the lines are joined with these counts, which every task holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from perdure.core.errors import SourceError

from . import _records
from ._errors import explain
from ._files import listed, size, spark_path

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

Options = Mapping[str, str | int | bool]

# Spark never splits a file of up to 4 MiB (spark.sql.files.openCostInBytes); more branches than these cost more to plan
# than a count of lines.
_WHOLE_BYTES, _BRANCHES = 4 << 20, 12
_PARTITION = 1 << 33
_NATIVE = {
    "utf-8": "UTF-8",
    "utf8": "UTF-8",
    "us-ascii": "US-ASCII",
    "ascii": "US-ASCII",
    "iso-8859-1": "ISO-8859-1",
    "latin1": "ISO-8859-1",
    "latin-1": "ISO-8859-1",
}


@dataclass(frozen=True)
class Lines:
    """`rows`: `value` (decoded text), and either `_file` and `_line` or what `number` finds them by. `broken`: a
    condition on `value` that holds where the bytes aren't text in `encoding`."""

    rows: DataFrame
    starts: DataFrame | None
    encoding: str
    broken: Column

    def number(self, rows: DataFrame) -> DataFrame:
        """`rows` (a projection of `self.rows` with more columns) with `_file` and `_line`."""
        from pyspark.sql import functions as F

        if self.starts is None:
            return rows
        return rows.join(F.broadcast(self.starts), ["_uri", "_block"], "left").withColumn(
            "_line", F.col("_at") - F.col("_first") + F.col("_before") + 1
        )


def encoding_of(options: Options) -> str:
    """The text encoding that the options name; UTF-8 when they don't."""
    return str(option(options, "encoding", option(options, "charset", "UTF-8")))


def option(options: Options, name: str, default: str | int | bool) -> str | int | bool:
    """An option by its name in any case, as Spark takes them."""
    return next((value for key, value in options.items() if key.lower() == name.lower()), default)


def truthy(value: str | int | bool) -> bool:
    """A flag as YAML or text."""
    return value is True or str(value).strip().lower() == "true"


def lines(spark: SparkSession, files: Sequence[str], options: Options, record: str | None = None) -> Lines:
    """The lines of these files; or the records that match the pattern `record`, which may span lines. Raises
    SourceError when a file isn't there or an encoding is unknown."""
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    encoding = encoding_of(options)
    native = _NATIVE.get(encoding.lower())
    try:
        if record is not None or native is None:
            rows = _whole(spark, files, encoding, record)
            return Lines(rows, None, encoding, F.contains(F.col("value"), F.lit("\ufffd")))
        text = F.col("value") if native == "UTF-8" else F.decode(F.col("value").cast("binary"), native)
        broken = ~F.is_valid_utf8("value") if native == "UTF-8" else F.contains(F.col("value"), F.lit("\ufffd"))
        sizes = [size(path) for path in files]
        separator = option(options, "lineSep", "")
        if len(files) <= _BRANCHES and all(found is not None and found <= _WHOLE_BYTES for found in sizes):
            branches = [_one(spark, path, text, str(separator)) for path in files]
            return Lines(reduce(lambda a, b: a.unionAll(b), branches), None, native, broken)
        rows = _many(spark, files, str(separator))
        return Lines(rows.withColumn("value", text), _starts(rows, files), native, broken)
    except PySparkException as error:
        raise explain(error) or error from error


def _text(spark: SparkSession, paths: Sequence[str], separator: str) -> DataFrame:
    reader = spark.read.option("lineSep", separator) if separator else spark.read
    return reader.text([spark_path(path) for path in paths])


def _one(spark: SparkSession, path: str, text: Column, separator: str) -> DataFrame:
    from pyspark.sql import functions as F

    place = F.monotonically_increasing_id()
    rows = _text(spark, [path], separator).select(text.alias("value"), place.alias("_at"))
    # Were the file split after all (settings), later parts have no number rather than a wrong one.
    line = F.when(F.col("_at") < _PARTITION, F.col("_at") + 1)
    return rows.select("value", F.lit(path).alias("_file"), line.alias("_line"))


def _many(spark: SparkSession, files: Sequence[str], separator: str) -> DataFrame:
    from pyspark.sql import functions as F

    return _text(spark, files, separator).select(
        "value",
        F.input_file_name().alias("_uri"),
        F.input_file_block_start().alias("_block"),
        F.monotonically_increasing_id().alias("_at"),
    )


def _starts(rows: DataFrame, files: Sequence[str]) -> DataFrame:
    """Of each part of a file: the file as it is listed, the place of the part's first line, and how many lines of the
    file come before it."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    parts = rows.groupBy("_uri", "_block").agg(F.min("_at").alias("_first"), F.count(F.lit(1)).alias("_n"))
    earlier = Window.partitionBy("_uri").orderBy("_block").rowsBetween(Window.unboundedPreceding, -1)
    before = F.coalesce(F.sum("_n").over(earlier), F.lit(0)).alias("_before")
    return parts.select("_uri", "_block", listed(F.col("_uri"), files).alias("_file"), "_first", before)


def _whole(spark: SparkSession, files: Sequence[str], encoding: str, record: str | None) -> DataFrame:
    try:
        "".encode(encoding)
    except LookupError as error:
        raise SourceError(
            f"{files[0]}: no text encoding is called '{encoding}'; utf-8, utf-16, iso-8859-1 and "
            "windows-1252 are some that there are"
        ) from error
    whole = spark.read.format("binaryFile").load([spark_path(path) for path in files])
    return _records.records(whole, encoding, record) if record else _records.records(whole, encoding)
