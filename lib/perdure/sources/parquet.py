"""Parquet: columns matched by name, in any order; a file's narrower type is widened to the declared one.

Widened are whole numbers to wider ones and to double (up to int), float to double, decimals that lose no digit, and
timestamps without a zone, which are taken as UTC. Any other type is refused: a file has its types for all its rows, so
there is nothing to reject row by row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError

from . import _parse
from ._errors import explain
from ._files import is_local, spark_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_WIDER = {
    "tinyint": ("smallint", "int", "bigint", "float", "double"),
    "smallint": ("int", "bigint", "float", "double"),
    "int": ("bigint", "double"),
    "float": ("double",),
    "timestamp_ntz": ("timestamp",),
}
_SAME = {"integer": "int", "long": "bigint"}
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}


def read(spark: SparkSession, files: Sequence[str], config: Source) -> DataFrame:
    """The files' rows with their declared types; `_line`, `_record` and `_reject` are null. Raises SourceError for a
    file whose columns or types aren't the declared ones, or which isn't a whole Parquet file."""
    from pyspark.errors import PySparkException

    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for path in files:
        groups.setdefault(tuple(_schema(spark, path).items()), []).append(path)
    for found, paths in groups.items():
        _check(paths[0], dict(found), config)
    try:
        parts = [_part(spark, paths, dict(found), config) for found, paths in groups.items()]
    except PySparkException as error:
        raise explain(error) or error from error
    return _parse.union(parts) if parts else _parse.empty(spark, config.columns)


def _schema(spark: SparkSession, path: str) -> dict[str, str]:
    """The file's columns and their types as SQL names them, from its footer."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import from_arrow_type

    try:
        if is_local(path):
            schema = pq.read_schema(path)
            return {field.name: from_arrow_type(field.type).simpleString() for field in schema}
        return {field.name: field.dataType.simpleString() for field in spark.read.parquet(spark_path(path)).schema}
    except OSError as error:
        reason = error.strerror or "it isn't a Parquet file, or its end is damaged"
        raise SourceError(f"{path}: can't be read: {reason}") from error
    except ArrowException as error:
        raise SourceError(f"{path}: can't be read: it isn't a Parquet file, or it is damaged: {error}") from error
    except PySparkException as error:
        raise explain(error) or SourceError(f"{path}: can't be read: {str(error).splitlines()[0]}") from error


def _check(path: str, found: dict[str, str], config: Source) -> None:
    _parse.check_names(path, 1, tuple(found), config.columns, complete=True)
    wrong = [
        f"{name}: expected {kind}, found {found[name]}"
        for name, kind in config.columns.items()
        if not _fits(found[name], _SAME.get(kind, kind))
    ]
    if wrong:
        raise SourceError(f"{path}: {'; '.join(wrong)}. Declare the type that the file has, or write the file anew")


def _fits(found: str, wanted: str) -> bool:
    if found == wanted.replace(" ", "") or wanted in _WIDER.get(found, ()):
        return True
    target, source = _DECIMAL.fullmatch(wanted), _DECIMAL.fullmatch(found)
    if target is None:
        return False
    precision, scale = int(target[1]), int(target[2])
    if source is not None:
        return scale >= int(source[2]) and precision - scale >= int(source[1]) - int(source[2])
    return found in _DIGITS and precision - scale >= _DIGITS[found]


def _part(spark: SparkSession, paths: list[str], found: dict[str, str], config: Source) -> DataFrame:
    from pyspark.sql import functions as F

    options = {name: str(value) for name, value in config.options.items()}
    rows = spark.read.schema(_parse.ddl(found)).options(**options).parquet(*[spark_path(path) for path in paths])
    name = F.col("_metadata.file_path")
    if all(is_local(path) for path in paths):
        name = F.regexp_replace(F.url_decode(F.replace(name, F.lit("+"), F.lit("%2B"))), "^file:/+", "/")
    text, number = F.lit(None).cast("string"), F.lit(None).cast("bigint")
    return rows.select(
        *(F.col(_parse.quoted(column)).cast(kind).alias(column) for column, kind in config.columns.items()),
        name.alias("_file"),
        number.alias("_line"),
        text.alias("_record"),
        text.alias("_reject"),
    )
