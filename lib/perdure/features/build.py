"""Runs the features' SQL over the sources, and makes labels.

Each source is visible to the SQL under its own name, with its declared columns and `_available_at`: the moment from
which a row may be used (event_time + available_after; the year 1 for static sources, which are always known). Each
helper view is visible under its name to what comes after it. Nothing is registered in the session that another run
could see or that is left behind, so runs in one session can go on side by side, over Spark Connect too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.identifiers import quoted
from perdure.core.interval import Duration, Interval
from perdure.core.references import view_order

from .times import between

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

AVAILABLE_AT = "_available_at"


@dataclass(frozen=True)
class Query:
    """One query made of several files. `parts`: (name, first line in `text`, number of lines), in order."""

    text: str
    parts: tuple[tuple[str, int, int], ...]

    def locate(self, line: int) -> tuple[str, int]:
        """The part that holds this line of the text (from 1), and the line within it."""
        for name, first, lines in self.parts:
            if first <= line < first + lines:
                return name, line - first + 1
        return self.parts[-1][0], 1


def build(sources: Mapping[str, DataFrame], pipeline: Pipeline, interval: Interval) -> DataFrame:
    """Features of the rows whose event time lies in `interval`: the columns that the SQL gives, less those whose
    name begins with `_`. `sources` holds all the history that the SQL looks back on.

    A row without a key raises when the frame is computed. Lazy: starts no job."""
    rows = run(sources, pipeline)
    key, event_time = pipeline.features.key, pipeline.features.event_time
    columns = [_keyed(name) if name == key else _column(name) for name in rows.columns if not name.startswith("_")]
    return rows.where(between(event_time, interval.start, interval.end)).select(*columns)


def labels(source: DataFrame, pipeline: Pipeline, interval: Interval) -> DataFrame:
    """Labels from the rows of the label's source whose event time lies in `interval`: the features' key and event
    time under the features' names, `label` (double; null means that there was no outcome; of a multiclass task the
    place of the class) and `available_at`. A value that is none of the classes raises when the frame is computed."""
    from pyspark.sql import functions as F

    declared = pipeline.sources[pipeline.label.source]
    if declared.event_time is None:
        raise ValueError(f"the label's source '{pipeline.label.source}' needs an event_time")
    value = F.expr(pipeline.label.expression or quoted(pipeline.label.column))
    if pipeline.label.classes:
        value = _class(value.cast("string"), pipeline.label.classes)
    time = F.col(quoted(declared.event_time)).cast("timestamp")
    key = pipeline.features.key
    return source.where(between(declared.event_time, interval.start, interval.end)).select(
        _column(key), time.alias(pipeline.features.event_time), value.cast("double").alias("label"),
        _after(time, declared.available_after).alias("available_at"))


def _class(value: Column, classes: Sequence[str]) -> Column:
    """The place of a text among the classes."""
    from pyspark.sql import functions as F

    place = F.array_position(F.array(*map(F.lit, classes)), value)
    said = F.concat(F.lit("label.classes has no "), value, F.lit(f"; it has: {', '.join(classes)}"))
    return F.when(value.isNull(), None).when(place == 0, F.raise_error(said)).otherwise(place - 1)


def run(sources: Mapping[str, DataFrame], pipeline: Pipeline) -> DataFrame:
    """The SQL's result over all of `sources`, unfiltered. `sources` may carry `_available_at` already."""
    views = {name: with_availability(rows, pipeline, name) for name, rows in sources.items()}
    some = next(iter(views.values()))
    return some.sparkSession.sql(query(pipeline.reads_sql(), list(views)).text, **arguments(views))


def arguments(views: Mapping[str, DataFrame]) -> dict[str, Any]:
    """The frames under the names by which `query`'s text asks `SparkSession.sql` for them."""
    return {f"source_{name}": rows for name, rows in views.items()}


def query(sql_by_name: Mapping[str, str], sources: list[str]) -> Query:
    """The sources, the helper views in order, last `features`, as one query; `{source_NAME}` stands for a frame."""
    lines = ["WITH"] + [f"`{name}` AS (SELECT * FROM {{source_{name}}})," for name in sources]
    parts: list[tuple[str, int, int]] = []
    for name in view_order(sql_by_name, sources):
        body = sql_by_name[name].rstrip().rstrip(";").replace("{", "{{").replace("}", "}}").split("\n")
        lines.append(f"`{name}` AS (")
        parts.append((name, len(lines) + 1, len(body)))
        lines += [*body, "),"]
    lines[-1] = ")"
    return Query("\n".join([*lines, "SELECT * FROM `features`"]), tuple(parts))


def with_availability(rows: DataFrame, pipeline: Pipeline, name: str) -> DataFrame:
    """The declared columns of a source's rows, and `_available_at`."""
    from pyspark.sql import functions as F

    source = pipeline.sources[name]
    columns = [_column(column) for column in source.columns]
    if AVAILABLE_AT in rows.columns:
        return rows.select(*columns, AVAILABLE_AT)
    known = F.expr("timestamp'0001-01-01 00:00:00'") if source.event_time is None else _after(
        F.col(quoted(source.event_time)).cast("timestamp"), source.available_after)
    return rows.select(*columns, known.alias(AVAILABLE_AT))


def _after(time: Column, delay: Duration) -> Column:
    from pyspark.sql import functions as F

    return time + F.expr(f"INTERVAL {delay.count} {delay.unit}") if delay.count else time


def _keyed(name: str) -> Column:
    from pyspark.sql import functions as F

    message = f"the features' SQL must give every row its key, '{name}'; found a row where it is null"
    return F.coalesce(_column(name), F.raise_error(F.lit(message))).alias(name)


def _column(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col(quoted(name))
