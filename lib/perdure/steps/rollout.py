"""Where a challenger answers otherwise than the champion, before any outcome is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.identifiers import quoted
from perdure.evaluation import scan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SLICES = 30


def disagreement(predictions: DataFrame, features: DataFrame, *, champion: str, challenger: str,
                 pipeline: Pipeline) -> list[dict[str, Any]]:
    """How far the predictions of two versions are apart: over all rows, then in each slice (`monitor.slices`), those
    that differ most first (no more than 30). JSON-ready: `slice_key`, `slice_value`, `rows`, `mean_difference` (of the
    probability; regression: of the prediction), `other_class` (share of rows; null for regression). One action."""
    from pyspark.sql import functions as F

    task, key = pipeline.model.task, F.col(quoted(pipeline.features.key)).alias("key")
    value = "prediction" if task == "regression" else "probability"

    def of(version: str, column: str) -> Any:
        return F.max(F.when(F.col("model_version") == version, F.col(column)))

    both = predictions.select(key, "model_version", "prediction", "probability").groupBy("key").agg(
        F.abs(of(champion, value) - of(challenger, value)).alias("gap"),
        (of(champion, "prediction") != of(challenger, "prediction")).cast("double").alias("other"))
    sliced = features.select(key, scan.slices_of(pipeline.monitor.slices).alias("slices"))
    rows = both.where("gap IS NOT NULL").join(sliced, "key").select("gap", "other", F.inline("slices"))
    found = rows.groupBy("slice_key", "slice_value").agg(
        F.count("*").alias("rows"), F.avg("gap").alias("gap"), F.avg("other").alias("other"))
    order: list[Any] = [F.col("slice_key").isNotNull(), F.desc("gap"), "slice_key", "slice_value"]
    return [{"slice_key": row["slice_key"], "slice_value": row["slice_value"], "rows": row["rows"],
             "mean_difference": row["gap"], "other_class": None if task == "regression" else row["other"]}
            for row in found.orderBy(*order).limit(_SLICES + 1).collect()]
