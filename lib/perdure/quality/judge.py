"""Runs the expectations of one suite with Great Expectations itself, on the fused engine, without a data context.

A context would bring stores, files, analytics and progress bars; judging needs none of them. Each expectation is built,
resolved and judged by itself, so that a broken one costs no other its result.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from great_expectations import __version__ as ge_version
from great_expectations.core import ExpectationValidationResult
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.validator.exception_info import ExceptionInfo
from great_expectations.validator.metrics_calculator import MetricsCalculator
from great_expectations.validator.validation_graph import ExpectationValidationGraph, ValidationGraph
from great_expectations.validator.validation_statistics import calc_validation_statistics

from .results import quiet
from .scan import either

if TYPE_CHECKING:
    from pyspark.sql import Column

    from .engine import FusedEngine

RESULT_FORMAT = {"result_format": "SUMMARY", "return_unexpected_index_query": False}
"""Counts, shares and twenty examples; the query text is left out, for it would be built by private means of Spark."""


_LONGEST = 2000


@dataclass(frozen=True)
class Judged:
    """One expectation's outcome: Great Expectations' result (JSON-ready), and, for one about single rows (`per_row`),
    how many rows fail, and the condition 'the row fails' where any does."""

    result: dict[str, Any]
    per_row: bool = False
    unexpected: int = 0
    condition: Column | None = None


@dataclass
class _Case:
    """One expectation on its way: `error` once it is broken, `graph` once its metrics are known."""

    entry: Mapping[str, Any]
    expectation: Any = None
    dependencies: Any = None
    graph: Any = None
    error: dict[str, Any] | None = None


def judge(engine: FusedEngine, entries: Sequence[Mapping[str, Any]], refused: Column) -> list[Judged]:
    """The outcome of each entry of a suite's `expectations`, in their order.

    `refused` is the condition of rows that go to quarantine whatever the suite says; the engine's `later_found` gets
    `quarantined`, the number of rows that it or a critical entry refuses, when any critical entry has failing rows.
    """
    with quiet():
        cases = [_prepare(engine, entry) for entry in entries]
        graph = ValidationGraph(execution_engine=engine)
        for case in cases:
            for edge in case.graph.edges if case.graph else ():
                graph.add(edge)
        engine.later = lambda metrics: _quarantined(engine, cases, metrics, refused)
        metrics, aborted = graph.resolve(
            runtime_configuration={"result_format": RESULT_FORMAT}, show_progress_bars=False
        )
        metrics |= engine.flush()
        return [_judge(engine, case, metrics, aborted) for case in cases]


def suite_result(name: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """Great Expectations' own suite result as JSON: success, statistics, results, meta."""
    statistics = calc_validation_statistics(
        [ExpectationValidationResult(success=one.result["success"]) for one in judged]
    )
    return {
        "success": statistics.success,
        "statistics": {
            "evaluated_expectations": statistics.evaluated_expectations,
            "successful_expectations": statistics.successful_expectations,
            "unsuccessful_expectations": statistics.unsuccessful_expectations,
            "success_percent": statistics.success_percent,
        },
        "results": [one.result for one in judged],
        "suite_name": name,
        "suite_parameters": {},
        "id": None,
        "meta": {"great_expectations_version": ge_version},
    }


def _prepare(engine: FusedEngine, entry: Mapping[str, Any]) -> _Case:
    case = _Case(entry)
    try:
        known = {key: value for key, value in entry.items() if key in _CONFIGURATION}
        configuration = ExpectationConfiguration(**{"kwargs": {}, **known})
        configuration.process_suite_parameters(
            suite_parameters=None, interactive_evaluation=True, data_context=None
        )
        case.expectation = configuration.to_domain_obj()
        case.dependencies = case.expectation.get_validation_dependencies(
            execution_engine=engine, runtime_configuration={"result_format": RESULT_FORMAT}
        )
        calculator = MetricsCalculator(execution_engine=engine, show_progress_bars=False)
        case.graph = calculator.build_metric_dependency_graph(
            metric_configurations=case.dependencies.get_metric_configurations(),
            runtime_configuration={"result_format": RESULT_FORMAT},
        )
    except Exception as error:  # whatever an expectation's class or its metrics raise is this entry's own result
        case.error = _exception(error)
    return case


_CONFIGURATION = ("type", "kwargs", "meta", "notes", "description", "severity", "id")


def _judge(engine: FusedEngine, case: _Case, metrics: dict[Any, Any], aborted: dict[Any, Any]) -> Judged:
    if case.error is None:
        graph = ExpectationValidationGraph(configuration=case.expectation.configuration, graph=case.graph)
        case.error = graph.get_exception_info(metric_info=aborted) or None
    if case.error is None:
        try:
            result = case.expectation.metrics_validate(
                metrics=metrics,
                execution_engine=engine,
                runtime_configuration={"result_format": dict(RESULT_FORMAT)},
            )
            result.success = None if result.success is None else bool(result.success)  # a numpy bool is no JSON
            result.result = plain(result.result)
            return Judged(_json_of(result, case), *_row_rule(engine, case, metrics))
        except Exception as error:
            case.error = _exception(error)
    configuration = case.expectation.configuration if case.expectation is not None else None
    broken = ExpectationValidationResult(
        success=False, exception_info=case.error, expectation_config=configuration
    )
    return Judged(_json_of(broken, case))


def _row_rule(engine: FusedEngine, case: _Case, metrics: dict[Any, Any]) -> tuple[bool, int, Column | None]:
    metric = _count_metric(case)
    if metric is None or metric.id not in metrics or not engine.is_per_row(metric):
        return False, 0, None
    unexpected = int(metrics[metric.id] or 0)
    return True, unexpected, engine.unexpected(metric, metrics) if unexpected else None


def _count_metric(case: _Case) -> Any:
    """The metric that counts the rows which fail this expectation; None for one about the table or an aggregate."""
    map_metric = getattr(case.expectation, "map_metric", None)
    if case.graph is None or not isinstance(map_metric, str):
        return None
    return case.dependencies.get_metric_configuration(f"{map_metric}.unexpected_count")


def _quarantined(
    engine: FusedEngine, cases: Sequence[_Case], metrics: dict[Any, Any], refused: Column
) -> dict[str, Column]:
    """The condition of the rows which some critical entry refuses, if any does and no window is needed."""
    conditions = [refused]
    for case in cases:
        metric = _count_metric(case)
        if metric is None or case.entry.get("severity", "critical") != "critical" or not metrics.get(metric.id):
            continue
        condition = engine.unexpected(metric, metrics)
        if condition is not None and engine.is_unique(metric):
            return {}
        conditions += [] if condition is None else [condition]
    return {"quarantined": either(conditions)} if len(conditions) > 1 else {}


def _json_of(result: ExpectationValidationResult, case: _Case) -> dict[str, Any]:
    """The result as JSON, with the entry as written where Great Expectations could not even read it."""
    data: dict[str, Any] = plain(result.to_json_dict())
    data["exception_info"] = _shortened(data.get("exception_info"))
    if data.get("expectation_config") is None:
        data["expectation_config"] = plain(dict(case.entry))
    return data


def _shortened(info: Any) -> Any:
    """Exception info without stack traces, which are for developers and can be longer than the rest of the record."""
    if not isinstance(info, dict):
        return info[:_LONGEST] if isinstance(info, str) else info
    return {
        key: str(item).strip().split("\n")[-1][:_LONGEST] if key == "exception_traceback" and item else _shortened(item)
        for key, item in info.items()
    }


def _exception(error: Exception) -> dict[str, Any]:
    info = ExceptionInfo(exception_traceback=traceback.format_exc(), exception_message=str(error))
    return dict(info)


def plain(value: Any) -> Any:
    """The value as strict JSON can hold it: numpy's scalars and arrays, sets, times and NaN become plain ones."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)  # JSON knows neither; Great Expectations writes null for NaN
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__float__"):
        return float(value)
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return str(value)
