"""Logistic regression with elastic-net regularisation. Standardises internally; its coefficients are on raw scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.core.space import LogUniform, Params, Space, Uniform

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("binary", "multiclass")
encoding: Literal["onehot", "index"] = "onehot"
space: Space = {"regParam": LogUniform(1e-5, 1.0, first=0.001), "elasticNetParam": Uniform(0.0, 1.0, first=0.0)}


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted `pyspark.ml.classification.LogisticRegression`. It uses no randomness, so `seed` is not needed."""
    from pyspark.ml.classification import LogisticRegression

    # 25 steps of L-BFGS bring the loss close to its optimum on tabular data; each one is a Spark job.
    kind = "binomial" if task == "binary" else "multinomial"
    chosen: dict[str, Any] = {"family": kind, "maxIter": 25, "tol": 1e-5, **params}
    return LogisticRegression(**chosen)
