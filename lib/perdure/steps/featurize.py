"""Features and labels of one interval, from the validated sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.features.build import build, labels

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def featurize(sources: Mapping[str, DataFrame], *, pipeline: Pipeline, interval: Interval) -> StepResult:
    """Writes `features` (what the SQL gives) and `labels` (key, event time, `label`, `available_at`) of the interval.

    `sources`: every source of the pipeline with its declared columns; those with an event time hold `lookback` before
    the interval's start too. Facts: `columns`, name to SQL type."""
    rows = build(sources, pipeline, interval)
    outcomes = labels(sources[pipeline.label.source], pipeline, interval)
    facts = {"columns": {field.name: field.dataType.simpleString() for field in rows.schema}}
    return StepResult((Write("features", rows), Write("labels", outcomes)), facts)
