"""The reasons for each row's prediction: the features that moved it most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.protocols import StepResult, Write
from perdure.models.explained import UNITS, Explainer, reasons

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame


def explain(features: DataFrame, *, model: PipelineModel, explainer: Explainer, version: str, top: int,
            pipeline: Pipeline) -> StepResult:
    """Replaces the interval in `reasons`: key, event time, `base` and `raw` (what the model says of no row in
    particular, and of this one, in the fact `unit`), `reasons` (the `top` features: `feature`, `value` as text,
    `contribution`), `model_version`. Lazy: the write computes it."""
    from pyspark.sql import functions as F

    keys = [pipeline.features.key, pipeline.features.event_time]
    rows = reasons(model, explainer, features, keys, top).withColumn("model_version", F.lit(version))
    return StepResult((Write("reasons", rows),),
                      {"model_version": version, "unit": UNITS[explainer.kind], "base": explainer.base, "top": top})
