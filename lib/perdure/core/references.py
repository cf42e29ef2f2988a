"""Checks what one part of a pipeline file says about another: columns, sources, files, views. No data, no Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from . import registry
from .conditions import parts
from .config import Pipeline, Source
from .errors import UsageError

Problem = tuple[tuple[Any, ...], str]


def problems_of(pipeline: Pipeline) -> Iterator[Problem]:
    """Every problem, as (path in the document, message)."""
    for name, source in pipeline.sources.items():
        yield from _source_problems(pipeline, name, source)
    yield from _target_problems(pipeline)
    yield from _label_problems(pipeline)
    yield from _sql_problems(pipeline)
    yield from _model_problems(pipeline)
    if pipeline.feed and not pipeline.path(pipeline.feed).is_file():
        yield ("feed",), f"file not found: {pipeline.feed}"
    if pipeline.end and pipeline.end <= pipeline.start:
        yield (
            ("end",),
            f"expected a time after start ({pipeline.start:%Y-%m-%d}), found {pipeline.end:%Y-%m-%d}",
        )


def view_order(sql_by_name: Mapping[str, str], known: Iterable[str] = ()) -> list[str]:
    """The views in an order in which each comes after those it reads. Raises UsageError on a cyclic reference and
    on SQL that can't be parsed; `known` names (the sources) are not views."""
    outside = set(known)
    graph = {name: (tables_in(sql) - outside) & set(sql_by_name) for name, sql in sql_by_name.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UsageError(f"cyclic reference: {' -> '.join(reversed(error.args[1]))}") from error


def tables_in(sql: str) -> set[str]:
    """The names of the tables that a SELECT reads, its own WITH clauses left out. Raises UsageError when it can't
    be parsed."""
    try:
        parsed = sqlglot.parse(sql, dialect="spark")
    except SqlglotError as error:
        detail = (getattr(error, "errors", None) or [{}])[0]
        where = f"line {detail['line']}: " if detail.get("line") else ""
        raise UsageError(f"{where}{detail.get('description') or error}") from error
    if len(parsed) != 1 or parsed[0] is None:
        raise UsageError(f"expected one SELECT, found {len([part for part in parsed if part])} statements")
    own = {cte.alias_or_name for cte in parsed[0].find_all(exp.CTE)}
    tables = (table for table in parsed[0].find_all(exp.Table) if not table.find_ancestor(exp.Hint))
    return {table.name for table in tables} - own


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    return f"{registry.did_you_mean(name, known)}; it has: {', '.join(known)}"


def _source_problems(pipeline: Pipeline, name: str, source: Source) -> Iterator[Problem]:
    where = ("sources", name)
    formats = registry.names("perdure.sources")
    if source.format not in formats:
        yield (*where, "format"), f"unknown format '{source.format}'{_nearest(source.format, formats)}"
    for index, column in enumerate(source.key):
        if column not in source.columns:
            yield (*where, "key", index), f"key: no column '{column}'{_nearest(column, source.columns)}"
    version = source.version
    if version is not None and version not in source.columns:
        yield (*where, "version"), f"version: no column '{version}'{_nearest(version, source.columns)}"
    yield from _time_problems(where, source)
    for column in source.columns:
        if column.startswith("_"):
            yield (
                (*where, "schema", column),
                f"column names that begin with '_' are Perdure's own, found '{column}'",
            )
    file = pipeline.suite_file(name)
    if file is not None:
        yield from (((*where, "expectations"), text) for text in _suite_problems(file, source))


def _time_problems(where: tuple[str, ...], source: Source) -> Iterator[Problem]:
    time = source.event_time
    if source.late == "upsert" and not (source.key and time):
        yield (*where, "late"), "late: upsert needs a 'key' and an 'event_time': a row takes the place of its key's row"
    if time is not None and time not in source.columns:
        yield (*where, "event_time"), f"event_time: no column '{time}'{_nearest(time, source.columns)}"
    elif time is not None and source.columns[time] not in ("timestamp", "date"):
        found = source.columns[time]
        yield (*where, "event_time"), f"event_time: expected a timestamp or date column, '{time}' is {found}"


def _suite_problems(file: Any, source: Source) -> Iterator[str]:
    if not file.is_file():
        yield f"file not found: {file}"
        return
    try:
        suite = json.loads(file.read_text(encoding="utf-8"))
        expectations = suite["expectations"]
    except (ValueError, KeyError, TypeError) as error:
        yield f"{file.name}: expected a Great Expectations suite with 'name' and 'expectations': {error!r}"
        return
    for number, item in enumerate(expectations, 1):
        kind, kwargs = item.get("type"), item.get("kwargs", {})
        if not kind:
            yield f"{file.name}: expectation {number} has no 'type'"
        named = [kwargs.get(key) for key in ("column", "column_A", "column_B")] + list(kwargs.get("column_list") or [])
        for column in named:
            if column is not None and column not in source.columns:
                near = _nearest(column, source.columns)
                yield f"{file.name}: expectation {number} ({kind}): no column '{column}'{near}"


def _target_problems(pipeline: Pipeline) -> Iterator[Problem]:
    for name, target in pipeline.targets.items():
        if bool(target.storage) == bool(target.catalog and target.schema_name):
            yield (
                ("targets", name),
                f"target '{name}': expected either 'storage' or both 'catalog' and 'schema'",
            )


def _label_problems(pipeline: Pipeline) -> Iterator[Problem]:
    label, features = pipeline.label, pipeline.features
    if (pipeline.model.task == "multiclass") != bool(label.classes):
        yield ("label",), "a multiclass task, and no other, has 'classes': the values of its label, such as [low, high]"
    elif label.classes and (len(set(label.classes)) < len(label.classes) or len(label.classes) < 2):
        yield ("label", "classes"), "expected two classes or more, each named once"
    source = pipeline.sources.get(label.source)
    if source is None:
        yield ("label", "from"), f"no source '{label.source}'{_nearest(label.source, pipeline.sources)}"
        return
    if source.static:
        yield ("label", "from"), f"source '{label.source}' has no event_time, so its labels have no time"
    if label.expression is None and label.column not in source.columns:
        yield (
            ("label", "column"),
            (
                f"no column '{label.column}' in source '{label.source}'{_nearest(label.column, source.columns)}; "
                "or give an 'expression'"
            ),
        )
    for name in ("key", "event_time"):
        column = getattr(features, name)
        if column not in source.columns:
            yield (
                ("features", name),
                (
                    f"the label's source '{label.source}' must have it too: no column '{column}'"
                    f"{_nearest(column, source.columns)}"
                ),
            )


def _sql_problems(pipeline: Pipeline) -> Iterator[Problem]:
    texts: dict[str, str] = {}
    files: dict[tuple[str, ...], str] = {
        ("features", "views", name): file for name, file in pipeline.features.views.items()
    }
    files["features", "sql"] = pipeline.features.sql
    for where, file in files.items():
        if not pipeline.path(file).is_file():
            yield where, f"file not found: {file}"
            continue
        text = pipeline.path(file).read_text(encoding="utf-8")
        try:
            known = {*pipeline.sources, *pipeline.features.views}
            for table in sorted(tables_in(text) - known):
                yield (
                    where,
                    f"{file}: reads '{table}', which is neither a source nor a view{_nearest(table, known)}",
                )
            texts["features" if where[-1] == "sql" else str(where[-1])] = text
        except UsageError as error:
            yield where, f"{file}: {error}"
    try:
        view_order(texts)
    except UsageError as error:
        yield ("features", "views"), str(error)


def _model_problems(pipeline: Pipeline) -> Iterator[Problem]:
    yield from _family_problems(pipeline)
    yield from _task_problems(pipeline)
    statistics = registry.names("perdure.drift")
    for where, condition in parts(pipeline.retrain.when):
        name = getattr(condition, "drift", None)
        if name is not None and name not in statistics:
            yield ("retrain", "when", *where, "drift"), f"unknown drift statistic '{name}'{_nearest(name, statistics)}"
        check = getattr(condition, "together", None)
        if check is not None and not getattr(pipeline.monitor, check):
            yield ("retrain", "when", *where, "together"), f"'{check}' isn't watched: add monitor: {{{check}: true}}"
    yield from _slice_problems(pipeline)
    for name in pipeline.monitor.thresholds:
        if name not in statistics:
            yield ("monitor", "thresholds", name), f"unknown drift statistic '{name}'{_nearest(name, statistics)}"
    metrics = registry.names("perdure.evaluation.metrics")
    for where, name in _metric_names(pipeline):
        if name not in metrics:
            yield where, f"unknown metric '{name}'{_nearest(name, metrics)}"
        elif pipeline.model.task not in (tasks := registry.load("perdure.evaluation.metrics", name).tasks):
            yield where, f"the metric '{name}' is for {', '.join(tasks)}; this task is {pipeline.model.task}"
    if pipeline.train.holdout.approximate >= pipeline.train.window.approximate:
        yield ("train", "holdout"), f"the holdout ({pipeline.train.holdout}) must be shorter than the window"


def _family_problems(pipeline: Pipeline) -> Iterator[Problem]:
    families = registry.names("perdure.models")
    for index, family in enumerate(pipeline.model.families):
        if family not in families:
            yield ("model", "families", index), f"unknown model family '{family}'{_nearest(family, families)}"
        elif pipeline.model.task not in (does := registry.load("perdure.models", family).tasks):
            yield (
                ("model", "families", index),
                f"the model family '{family}' does {', '.join(does)}; this task is {pipeline.model.task}",
            )
    for family in pipeline.model.tune.space:
        if family not in pipeline.model.families:
            near = _nearest(family, pipeline.model.families)
            yield ("model", "tune", "space", family), f"no family '{family}' in model.families{near}"


def _task_problems(pipeline: Pipeline) -> Iterator[Problem]:
    """Sections that are for some tasks only."""
    task, monitor = pipeline.model.task, pipeline.monitor
    binary: dict[tuple[str, str], Any] = {
        ("model", "decision"): pipeline.model.decision, ("model", "fairness"): pipeline.model.fairness,
        ("gate", "fairness"): pipeline.gate.fairness, ("monitor", "business_value"): monitor.business_value}
    for where, wanted in binary.items():
        if wanted and task != "binary":
            yield where, f"{'.'.join(where)} is for a binary task; this one is {task}"
    if pipeline.model.prepare.imbalance == "balance" and task == "regression":
        yield ("model", "prepare", "imbalance"), "model.prepare.imbalance: a regression has no classes to balance"
    explained = {("explain", "reasons"): bool(pipeline.explain.reasons),
                 ("monitor", "attributions"): monitor.attributions}
    for where, wanted in explained.items():
        if wanted and task == "multiclass":
            yield where, f"{'.'.join(where)}: models of several classes are not explained exactly; leave it out"


def _metric_names(pipeline: Pipeline) -> Iterator[tuple[tuple[Any, ...], str]]:
    if pipeline.model.tune.metric:
        yield ("model", "tune", "metric"), pipeline.model.tune.metric
    for name in pipeline.gate.thresholds:
        yield ("gate", "thresholds", name), name
    if pipeline.gate.beat_champion:
        yield ("gate", "beat_champion", "metric"), pipeline.gate.beat_champion.metric
    for where, condition in parts(pipeline.retrain.when):
        for kind in ("realised", "expected"):
            if hasattr(condition, kind):
                yield ("retrain", "when", *where, kind), getattr(condition, kind)


def _slice_problems(pipeline: Pipeline) -> Iterator[Problem]:
    for where, condition in parts(pipeline.retrain.when):
        name = getattr(condition, "slice", None)
        if name is None:
            continue
        place = ("retrain", "when", *where)
        if name not in pipeline.monitor.slices:
            yield (*place, "slice"), f"no slice '{name}' in monitor.slices{_nearest(name, pipeline.monitor.slices)}"
        kind = "realised" if hasattr(condition, "realised") else "expected"
        if getattr(condition, kind) != pipeline.metric:
            yield (*place, kind), f"slices are judged by the pipeline's metric, '{pipeline.metric}', alone"
