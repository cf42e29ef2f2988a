"""Realised performance of an interval's predictions, as far as labels are known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.evaluation import measure, scan
from perdure.evaluation.tally import Tally
from perdure.features.times import at, between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = ("window struct<start: timestamp, end: timestamp>, slice_key string, slice_value string, "
          "model_version string, metric string, kind string, value double, low double, high double, rows bigint, "
          "label_coverage double, known_at timestamp")


def performance(predictions: DataFrame, labels: DataFrame, features: DataFrame | None = None, *, pipeline: Pipeline,
                interval: Interval, known_at: datetime) -> StepResult:
    """Appends to `performance`: one row a model version, slice and metric, kind "realised", with the 95 % interval.

    Only labels that were available at `known_at` are used. `rows` counts the judged ones; `label_coverage` is the
    share of predictions whose outcome was known, "no outcome" (a null label) included. Slices (`monitor.slices`) are
    columns of `features`; without it there are none. One Spark action. Facts: for each model version, `rows`,
    `label_coverage` and its metrics."""
    from pyspark.sql import functions as F

    task, time = pipeline.model.task, pipeline.features.event_time
    inside = between(time, interval.start, interval.end)
    known = labels.where(inside & (F.col("available_at") <= at(known_at)))
    sliced = None if features is None else features.where(inside)
    tallies = scan.tally(_joined(predictions.where(inside), known, sliced, pipeline), task=task)
    spark = predictions.sparkSession
    rows = [row for tally in tallies for row in _rows(tally, task, interval, known_at)]
    facts: dict[str, Any] = {"known_at": known_at.isoformat(), "models": {
        tally.model: {"rows": tally.n, "label_coverage": tally.known / tally.total,
                      "metrics": {name: found.value for name, found in measure.measure(tally, task).items()}}
        for tally in tallies if tally.slice_key is None}}
    return StepResult((Write("performance", spark.createDataFrame(rows, SCHEMA), "append"),), facts)


def _joined(predictions: DataFrame, labels: DataFrame, features: DataFrame | None, pipeline: Pipeline) -> DataFrame:
    """Predictions with what is known of their outcome, as `scan.tally` wants them."""
    from pyspark.sql import functions as F

    key = F.col(f"`{pipeline.features.key}`").alias("key")
    value = "probability" if pipeline.model.task == "binary" else "prediction"
    rows = predictions.select(key, F.col("model_version").alias("model"), F.col(value).alias("p")).join(
        labels.select(key, F.col("label").alias("y"), F.lit(True).alias("known")), "key", "left")
    if features is None:
        rows = rows.withColumn("slices", scan.slices_of(()))
    else:
        slices = scan.slices_of(pipeline.monitor.slices).alias("slices")
        rows = rows.join(features.select(key, slices), "key", "left")
    return rows.withColumn("known", F.coalesce("known", F.lit(False))).withColumn(
        "slices", F.coalesce("slices", scan.slices_of(())))


def _rows(tally: Tally, task: str, interval: Interval, known_at: datetime) -> Iterator[tuple[Any, ...]]:
    for name, found in measure.measure(tally, task).items():
        low, high = found.interval()
        yield ((interval.start, interval.end), tally.slice_key, tally.slice_value, tally.model, name, "realised",
               found.value, low, high, tally.n, tally.known / tally.total, known_at)
