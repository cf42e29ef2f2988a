"""Random forest. Categories stay single columns; the trees split on sets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.core.space import Choice, Integer, Params, Space

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("binary", "multiclass", "regression")
encoding: Literal["onehot", "index"] = "index"
space: Space = {
    "numTrees": Integer(20, 40, 10, first=20),
    "maxDepth": Integer(5, 8, first=7),
    "minInstancesPerNode": Integer(5, 50, 5, first=20),
    "featureSubsetStrategy": Choice(("sqrt", "onethird"), first="onethird"),
}


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted `RandomForestRegressor` (regression) or `RandomForestClassifier`. Trees see 70 % of the rows."""
    from pyspark.ml.classification import RandomForestClassifier
    from pyspark.ml.regression import RandomForestRegressor

    chosen: dict[str, Any] = {"subsamplingRate": 0.7, **params}
    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    return kind(seed=seed, **chosen)
