"""Tables of a database by JDBC. `path` is the table's name, or a query in parentheses with a name: `(SELECT ...) t`.

Options: `url`, `user`, `password` (write `${env:NAME}` for secrets), `driver`, `fetchsize` and the rest of Spark's;
`partitions`, how many queries a run's interval is split into, by event time (default 1); `changed`, a column that grows
with every change of a row - a time, a revision, the key itself where rows are only added - so that a change is noticed
without reading the rows. The driver's jar must be on Spark's class path (`spark-submit.sh --jars`).

With an `event_time` a run reads its interval's rows, without one the whole table. Spark pushes the range down, so an
index on the event time (and on `changed`) makes a run as cheap as its rows. Columns go by name; `_line` is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.interval import Interval
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.record import FileVersion

from . import _drift, _parse, _tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BY_INTERVAL, IS_PATH = True, False
_OURS = ("changed", "partitions")


def inputs(
    spark: SparkSession, location: str, config: Source, interval: Interval | None, *, first: bool
) -> list[FileVersion]:
    """What a run over `interval` reads (None: the whole table), with what tells whether it changed. `first`: rows
    without an event time are this run's. Raises SourceError when the database can't be asked."""
    span = _tables.Span.of(location, config, interval, first=first)
    changed = config.options.get("changed")
    rows = _rows(spark, span, config)
    try:
        return [_tables.version(rows, span, config, str(changed) if changed else None)]
    except Exception as error:
        raise _explained(span, error) or error from error


def read(
    spark: SparkSession, files: Sequence[str], config: Source, changes: list[_drift.Change] | None = None
) -> DataFrame:
    """The rows of these spans (or tables) with their declared types, rejected ones included (see the package).
    `changes` takes what was found of other columns than the declared ones. Raises SourceError when a table can't be
    read."""
    parts = []
    for text in files:
        span = _tables.Span.parse(text)
        count = int(config.options.get("partitions", 1))
        rows = reduce(lambda a, b: a.unionAll(b), [_rows(spark, part, config) for part in span.parts(count)])
        parts.append(_tables.declared(rows, span, config, changes))
    return _parse.union(parts) if parts else _parse.empty(spark, config.columns)


def _rows(spark: SparkSession, span: _tables.Span, config: Source) -> DataFrame:
    options = {name: resolve_secrets(str(value)) for name, value in config.options.items() if name not in _OURS}
    if "url" not in {name.lower() for name in options}:
        raise SourceError(f"{span.place}: a jdbc source needs the option 'url', such as jdbc:postgresql://host/database")
    try:
        found = spark.read.format("jdbc").options(**options).option("dbtable", span.place).load()
        condition = span.condition(str(config.event_time))
        return found if condition is None else found.where(condition)
    except Exception as error:
        raise _explained(span, error) or error from error


def _explained(span: _tables.Span, error: Exception) -> SourceError | None:
    """Spark hands on whatever a driver raises; its first line says what is wrong, and holds no secret but the URL's."""
    if isinstance(error, SourceError):
        return error
    text = next((line for line in str(error).splitlines() if "Exception" in line), str(error).splitlines()[0])
    return SourceError(f"{span.place}: can't be read: {text.rpartition('Exception: ')[2][:300]}")
