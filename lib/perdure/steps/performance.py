"""Performance of an interval's predictions: expected from the predictions alone, and realised as far as labels are
known. It is stated anew as labels come; earlier statements stay, told apart by `known_at`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.evaluation import expected, measure, scan
from perdure.evaluation.expected import Estimator
from perdure.evaluation.tally import Estimate, Tally
from perdure.features.times import at, between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = ("window struct<start: timestamp, end: timestamp>, slice_key string, slice_value string, "
          "model_version string, metric string, kind string, value double, low double, high double, rows bigint, "
          "label_coverage double, known_at timestamp")
REALISED, EXPECTED, ERROR = "realised", "expected", "estimation_error"


@dataclass(frozen=True)
class _Stated:
    """What is known of one model version and slice: realised, expected of all its predictions, and expected less
    realised on the judged ones."""

    tally: Tally
    realised: Mapping[str, Estimate]
    expected: Mapping[str, Estimate]
    error: Mapping[str, Estimate]


def performance(  # noqa: PLR0913 (three tables, and what they mean, are one question)
        predictions: DataFrame, labels: DataFrame, features: DataFrame | None = None, *, pipeline: Pipeline,
        interval: Interval, known_at: datetime, estimators: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> StepResult:
    """Appends to `performance`: one row a model version, slice, metric and kind, with the 95 % interval.

    Kinds: "realised", by the labels that were available at `known_at`; "expected", from all predictions, where
    `estimators` (model version -> the `estimator` fact of its evaluation) knows the version; "estimation_error",
    expected less realised on the judged rows: beyond its interval the labels don't follow from the predictions as they
    did. `rows` counts the judged predictions (expected: all); `label_coverage` is the share of predictions whose
    outcome was known, "no outcome" (a null label) included. Slices (`monitor.slices`) are columns of `features`;
    without it there are none. One Spark action. Facts: for each model version, `rows`, `label_coverage`, `metrics`,
    `expected`, `estimation_error`, and the pipeline's metric by slice."""
    from pyspark.sql import functions as F

    task, time = pipeline.model.task, pipeline.features.event_time
    inside = between(time, interval.start, interval.end)
    known = labels.where(inside & (F.col("available_at") <= at(known_at)))
    sliced = None if features is None else features.where(inside)
    tallies = scan.tally(_joined(predictions.where(inside), known, sliced, pipeline), task=task)
    found = [_stated(tally, (estimators or {}).get(tally.model), pipeline) for tally in tallies]
    rows = [row for stated in found for row in _rows(stated, interval, known_at)]
    facts = {"known_at": known_at.isoformat(), "models": _facts(found, pipeline)}
    written = predictions.sparkSession.createDataFrame(rows, SCHEMA)
    return StepResult((Write("performance", written, "append"),), facts)


def _joined(predictions: DataFrame, labels: DataFrame, features: DataFrame | None, pipeline: Pipeline) -> DataFrame:
    """Predictions with what is known of their outcome, as `scan.tally` wants them."""
    from pyspark.sql import functions as F

    key = F.col(quoted(pipeline.features.key)).alias("key")
    judged = [scan.answer(pipeline.model.task).alias("p"), scan.decision(pipeline.model.task).alias("d")]
    rows = predictions.select(key, F.col("model_version").alias("model"), *judged).join(
        labels.select(key, F.col("label").alias("y"), F.lit(True).alias("known")), "key", "left")
    if features is None:
        rows = rows.withColumn("slices", scan.slices_of(()))
    else:
        slices = scan.slices_of(pipeline.monitor.slices).alias("slices")
        rows = rows.join(features.select(key, slices), "key", "left")
    return rows.withColumn("known", F.coalesce("known", F.lit(False))).withColumn(
        "slices", F.coalesce("slices", scan.slices_of(())))


def _stated(tally: Tally, estimator: Mapping[str, Any] | None, pipeline: Pipeline) -> _Stated:
    task, worth = pipeline.model.task, pipeline.monitor.business_value

    def valued(metrics: dict[str, Estimate], of: Tally) -> dict[str, Estimate]:
        value = measure.business_value(of, worth) if worth and task == "binary" else None
        return {**metrics, "business_value": value} if value else metrics

    realised = valued(measure.measure(tally, task), tally)
    if estimator is None:
        return _Stated(tally, realised, {}, {})
    basis = Estimator.from_dict(estimator)
    whole = expected.expect(tally, basis, task)
    judged = expected.expect(tally, basis, task, judged=True)
    same = valued(expected.measure(judged, task), judged)
    error = {name: expected.error(found, realised[name]) for name, found in same.items() if name in realised}
    return _Stated(tally, realised, valued(expected.measure(whole, task), whole), error)


def _rows(stated: _Stated, interval: Interval, known_at: datetime) -> Iterator[tuple[Any, ...]]:
    tally = stated.tally
    scored = int(tally.scored.sum())
    for kind, metrics, rows in ((REALISED, stated.realised, tally.n), (EXPECTED, stated.expected, scored),
                                (ERROR, stated.error, tally.n)):
        for name, found in metrics.items():
            low, high = found.interval()
            yield ((interval.start, interval.end), tally.slice_key, tally.slice_value, tally.model, name, kind,
                   found.value, low, high, rows, tally.known / tally.total, known_at)


def _facts(found: list[_Stated], pipeline: Pipeline) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for stated in found:
        tally = stated.tally
        if tally.slice_key is None:
            models[tally.model] = {
                "rows": tally.n, "label_coverage": tally.known / tally.total, "metrics": _values(stated.realised),
                "expected": _values(stated.expected), "estimation_error": _values(stated.error), "slices": []}
    for stated in found:
        tally = stated.tally
        if tally.slice_key is not None and tally.model in models:
            models[tally.model]["slices"].append({
                "slice_key": tally.slice_key, "slice_value": tally.slice_value, "rows": tally.n,
                "label_coverage": tally.known / tally.total,
                **{kind: _values(metrics, pipeline.metric)
                   for kind, metrics in (("metrics", stated.realised), ("expected", stated.expected))}})
    return models


def _values(metrics: Mapping[str, Estimate], *only: str) -> dict[str, float]:
    return {name: found.value for name, found in metrics.items() if not only or name in only}
