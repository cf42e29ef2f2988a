"""Generalised linear regression, for counts and amounts: Poisson with the logarithm as its link, or what
`model.tune.space` says of `family` (gaussian, poisson, gamma, tweedie with `variancePower`) and `link`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.core.space import LogUniform, Params, Space

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("regression",)
encoding: Literal["onehot", "index"] = "onehot"
space: Space = {"regParam": LogUniform(1e-4, 1.0, first=0.01)}


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted `pyspark.ml.regression.GeneralizedLinearRegression`, by iteratively reweighted least squares. It uses
    no randomness, so `seed` is not needed. Labels must suit the family: Poisson's aren't negative, gamma's positive."""
    from pyspark.ml.regression import GeneralizedLinearRegression

    chosen: dict[str, Any] = {"family": "poisson", "maxIter": 50, "tol": 1e-8, **params}
    return GeneralizedLinearRegression(**chosen)
