"""Parquet: columns matched by name, in any order; a file's narrower type is widened to the declared one.

Widened are whole numbers to wider ones and to double (up to int), float to double, decimals that lose no digit, and
timestamps without a zone, which are taken as UTC. Any other type is refused: a file has its types for all its rows, so
there is nothing to reject row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.identifiers import quoted

from . import _drift, _parse
from ._errors import explain
from ._files import is_local, listed, spark_path

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

def read(
    spark: SparkSession, files: Sequence[str], config: Source, changes: list[_drift.Change] | None = None
) -> DataFrame:
    """The files' rows with their declared types; `_line` is the row's place, `_record` and `_reject` are null. Raises
    SourceError for a file whose columns or types aren't the declared ones, or which isn't a whole Parquet file."""
    from pyspark.errors import PySparkException

    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for path in files:
        groups.setdefault(tuple(_schema(spark, path).items()), []).append(path)
    agreed = {}
    for found, paths in groups.items():
        names = tuple(name for name, _ in found)
        agreed[found] = _drift.agree(_drift.Found(paths[0], 1, names, dict(found)), config, changes)
    try:
        parts = [_part(spark, paths, (dict(found), agreed[found]), config) for found, paths in groups.items()]
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


def _part(
    spark: SparkSession, paths: list[str], shape: tuple[dict[str, str], _drift.Agreed], config: Source
) -> DataFrame:
    from pyspark.sql import functions as F

    found, agreed = shape
    options = {name: str(value) for name, value in config.options.items()}
    rows = spark.read.schema(_parse.ddl(found)).options(**options).parquet(*[spark_path(path) for path in paths])
    there = {new: F.col(quoted(old)) for new, old in zip(agreed.names, found, strict=True)}
    columns = {**config.columns, **agreed.extra}
    return rows.select(
        *(_value(there.get(column), kind).alias(column) for column, kind in columns.items()),
        listed(F.col("_metadata.file_path"), paths).alias("_file"),
        (F.col("_metadata.row_index") + 1).cast("bigint").alias("_line"),
        F.lit(None).cast("string").alias("_record"),
        _reject(there, agreed, config).alias("_reject"),
    )


def _value(column: Column | None, kind: str) -> Column:
    """A column in its declared type, null where a value is too large for it."""
    from pyspark.sql import functions as F

    return F.lit(None).cast(kind) if column is None else column.try_cast(kind)


def _reject(there: Mapping[str, Column], agreed: _drift.Agreed, config: Source) -> Column:
    """Why a row is rejected: its file is, or a value is too large for the declared type."""
    from pyspark.sql import functions as F

    reasons = [F.lit(agreed.reject).cast("string")]
    for name in agreed.widened:
        kind, value = config.columns[name], there[name]
        text = F.concat(F.lit(f"{name}: expected {kind}, found '"), value.cast("string"), F.lit("'"))
        reasons.append(F.when(value.isNotNull() & value.try_cast(kind).isNull(), text))
    return F.coalesce(*reasons)
