"""Delta tables: by folder or URL, or by name in a catalog (`main.sales.orders`).

With an `event_time` a run reads its interval's rows, without one the whole table. Rows that were added to or changed in
an interval since have it read again. Options: `changed`, a column that grows with every change of a row: a time, a
revision, the key itself where rows are only added (then no row's values are looked at to notice one), and those of
Spark's Delta reader. Columns go by name; `_line` is null.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.interval import Interval
from perdure.core.record import FileVersion

from . import _drift, _parse, _tables
from ._errors import plain_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BY_INTERVAL = True
_NAME = re.compile(r"^\w+(\.\w+){1,2}$")


def inputs(
    spark: SparkSession, location: str, config: Source, interval: Interval | None, *, first: bool
) -> list[FileVersion]:
    """What a run over `interval` reads (None: the whole table), with what tells whether it changed. `first`: rows
    without an event time are this run's."""
    span = _tables.Span.of(location, config, interval, first=first)
    rows = _rows(spark, span, config)
    changed = config.options.get("changed")
    return [_tables.version(rows, span, config, str(changed) if changed else None)]


def read(
    spark: SparkSession, files: Sequence[str], config: Source, changes: list[_drift.Change] | None = None
) -> DataFrame:
    """The rows of these spans (or tables) with their declared types, rejected ones included (see the package).
    `changes` takes what was found of other columns than the declared ones. Raises SourceError when a table can't be
    read."""
    spans = [_tables.Span.parse(text) for text in files]
    parts = [_tables.declared(_rows(spark, span, config), span, config, changes) for span in spans]
    return _parse.union(parts) if parts else _parse.empty(spark, config.columns)


def _rows(spark: SparkSession, span: _tables.Span, config: Source) -> DataFrame:
    from pyspark.errors import PySparkException

    options = {name: str(value) for name, value in config.options.items() if name != "changed"}
    reader = spark.read.format("delta").options(**options)
    try:
        found: DataFrame = reader.table(span.place) if _NAME.match(span.place) else reader.load(span.place)
        condition = span.condition(str(config.event_time))
        return found if condition is None else found.where(condition)
    except PySparkException as error:
        raise SourceError(f"{plain_path(span.place)}: can't be read: {str(error).splitlines()[0]}") from error
