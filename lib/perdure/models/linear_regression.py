"""Linear regression with elastic-net regularisation. Standardises internally; its coefficients are on raw scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.core.space import LogUniform, Params, Space, Uniform

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("regression",)
encoding: Literal["onehot", "index"] = "onehot"
space: Space = {"regParam": LogUniform(1e-4, 10.0, first=0.001), "elasticNetParam": Uniform(0.0, 1.0, first=0.0)}


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted `pyspark.ml.regression.LinearRegression`. It uses no randomness, so `seed` is not needed."""
    from pyspark.ml.regression import LinearRegression

    chosen: dict[str, Any] = {"maxIter": 100, "tol": 1e-6, **params}
    return LinearRegression(**chosen)
