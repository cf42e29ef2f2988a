"""Predictions of one model version for rows of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.protocols import StepResult, Write
from perdure.models.fitted import predict

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import DataFrame


def score(features: DataFrame, *, model: Transformer, version: str, role: str, pipeline: Pipeline) -> StepResult:
    """Appends to `predictions`: key, event time, `prediction`, `probability` (of class 1; null for regression),
    `model_version` and `role` (champion, challenger, shadow). Lazy: the write computes it."""
    from pyspark.sql import functions as F

    keys = [F.col(f"`{name}`") for name in (pipeline.features.key, pipeline.features.event_time)]
    rows = predict(model, features, pipeline.model.task).select(
        *keys, F.col("prediction").cast("double").alias("prediction"), "probability",
        F.lit(version).alias("model_version"), F.lit(role).alias("role"))
    return StepResult((Write("predictions", rows, "append"),), {"model_version": version, "role": role})
