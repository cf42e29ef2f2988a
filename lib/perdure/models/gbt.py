"""Gradient-boosted trees. Categories stay single columns; the trees split on sets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.core.space import Integer, LogUniform, Params, Space

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("binary", "regression")
encoding: Literal["onehot", "index"] = "index"
space: Space = {
    "maxIter": Integer(10, 25, 5, first=20),
    "maxDepth": Integer(3, 5, first=4),
    "stepSize": LogUniform(0.1, 0.5, first=0.2),
    "minInstancesPerNode": Integer(5, 50, 5, first=20),
}


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted `GBTClassifier` (binary) or `GBTRegressor`. Each tree sees a sample of 70 % of the rows."""
    from pyspark.ml.classification import GBTClassifier
    from pyspark.ml.regression import GBTRegressor

    chosen: dict[str, Any] = {"subsamplingRate": 0.7, **params}
    kind = GBTClassifier if task == "binary" else GBTRegressor
    return kind(seed=seed, **chosen)
