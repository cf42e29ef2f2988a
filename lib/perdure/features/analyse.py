"""Checks a pipeline's SQL without data: Spark analyses it against the declared schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.errors import PipelineFileError, UsageError
from perdure.core.references import view_order
from perdure.core.registry import did_you_mean

from .build import AVAILABLE_AT, Query, arguments, labels, query, with_availability

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


def analyse(spark: SparkSession, pipeline: Pipeline) -> StructType:
    """The columns that the features' SQL gives. Starts no job.

    Raises PipelineFileError with every problem found: SQL that doesn't resolve (file, line, the nearest right name;
    one problem a file), a label expression that doesn't, and names in the pipeline file that the features lack."""
    sources = {name: _empty(spark, columns.columns) for name, columns in pipeline.sources.items()}
    views = {name: with_availability(rows, pipeline, name) for name, rows in sources.items()}
    schema, problems = _analyse_sql(spark, pipeline, views)
    if schema is not None:
        problems += _name_problems(schema, pipeline)
    problems += _label_problems(sources, pipeline)
    if problems or schema is None:
        raise PipelineFileError(problems)
    return schema


def _empty(spark: SparkSession, columns: Mapping[str, str]) -> DataFrame:
    from pyspark.sql import functions as F

    return spark.range(0).select(*(F.lit(None).cast(kind).alias(name) for name, kind in columns.items()))


def _analyse_sql(spark: SparkSession, pipeline: Pipeline,
                 views: Mapping[str, DataFrame]) -> tuple[StructType | None, list[str]]:
    """Each helper view on its own and then the features, so that one bad file doesn't hide another's problem."""
    from pyspark.errors import PySparkException

    files = {**pipeline.features.views, "features": pipeline.features.sql}
    texts, problems = pipeline.reads_sql(), list[str]()
    good: dict[str, str] = {}
    try:
        order = view_order(texts, views)
    except UsageError as error:
        return None, [f"{pipeline.features.sql}: {error}"]
    schema = None
    for name in order:
        whole = query({**good, "features": texts[name]}, list(views))
        try:
            schema = spark.sql(whole.text, **arguments(views)).schema
        except PySparkException as error:
            where, line = _place(error, whole)
            file = files[name] if where == "features" else files[where]
            known = [*views, *(other for other in order if other != "features")]
            problems.append(f"{file}:{line}: {_explain(error, known)}")
        else:
            good[name] = texts[name]
    failed = [name for name in order if name not in good]
    # A file that only fails because it reads a broken one has no problem of its own to tell.
    return (None if failed else schema), problems[:1] + [p for p in problems[1:] if not _follows(p, failed)]


def _follows(problem: str, failed: list[str]) -> bool:
    return any(f"no table or view '{name}'" in problem for name in failed)


def _place(error: Any, whole: Query) -> tuple[str, int]:
    """File part and line of a Spark error: from its query context, else from the parser's message."""
    contexts = error.getQueryContext()
    text = contexts[0].summary() if contexts else str(error)
    found = re.search(r"SQL \(line (\d+)|\(?line (\d+), pos", text)
    return whole.locate(int(found.group(1) or found.group(2)) if found else 0)


def _explain(error: Any, known: list[str]) -> str:
    condition, values = error.getCondition() or "", error.getMessageParameters() or {}
    if condition.startswith("UNRESOLVED_COLUMN"):
        name = values.get("objectName", "").replace("`", "")
        near = [item.strip().replace("`", "") for item in values.get("proposal", "").split(",") if item.strip()]
        short = [item.rpartition(".")[2] for item in near]
        guess = did_you_mean(name.rpartition(".")[2], short)
        return f"no column '{name}'{guess}" + (f"; near it: {', '.join(near)}" if near else "")
    if condition == "TABLE_OR_VIEW_NOT_FOUND":
        name = values.get("relationName", "").replace("`", "")
        return f"no table or view '{name}'{did_you_mean(name, known)}; there are: {', '.join(known)}"
    if condition == "UNRESOLVED_ROUTINE":
        return f"no function {values.get('routineName', '').replace('`', '')}"
    text = str(error).partition("== SQL")[0].partition("SQLSTATE")[0]
    return f"Spark says: {' '.join(text.split())}"


def _label_problems(sources: Mapping[str, DataFrame], pipeline: Pipeline) -> list[str]:
    from pyspark.errors import PySparkException

    from perdure.core.interval import Interval

    source = pipeline.label.source
    if source not in sources or pipeline.sources[source].event_time is None:
        return [f"label.from: expected a source with an event_time, found '{source}'"]
    try:
        _ = labels(sources[source], pipeline, Interval.containing(pipeline.start, pipeline.interval)).schema
    except PySparkException as error:
        return [f"label: {_explain(error, [])}"]
    return []


def _name_problems(schema: StructType, pipeline: Pipeline) -> list[str]:
    names = [name for name in schema.names if not name.startswith("_")]
    features = pipeline.features
    wanted = [("features.key", features.key), ("features.event_time", features.event_time)]
    wanted += [("monitor.slices", name) for name in pipeline.monitor.slices]
    wanted += [("model.exclude", name) for name in pipeline.model.exclude]
    wanted += [("model.fairness.group", each.group) for each in (pipeline.model.fairness,) if each]
    wanted += [("gate.slices", rule.slice) for rule in pipeline.gate.slices]
    wanted += [("gate.fairness", rule.slice) for rule in pipeline.gate.fairness]
    problems = [f"{where}: the features' SQL gives no column '{name}'{did_you_mean(name, names)}; "
                f"it gives: {', '.join(names)}" for where, name in wanted if name not in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"{features.sql}: the column '{name}' is given more than once" for name in twice]
    if features.event_time in names and schema[features.event_time].dataType.simpleString() != "timestamp":
        found = schema[features.event_time].dataType.simpleString()
        problems.append(f"features.event_time: expected a timestamp, '{features.event_time}' is {found}")
    bad = [name for name in schema.names if name.startswith("_") and name != AVAILABLE_AT]
    problems += [f"{features.sql}: the column '{name}' begins with '_'; such names are kept for this library"
                 for name in bad]
    return problems
