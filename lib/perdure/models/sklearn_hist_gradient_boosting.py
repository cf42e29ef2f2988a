"""Gradient-boosted trees by histograms, scikit-learn's (extra `sklearn`). Each fit is one task on one core and holds
its rows, so they must fit one executor; categories are split as sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.core.errors import UsageError
from perdure.core.space import Integer, LogUniform, Params, Space

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("binary", "multiclass", "regression")
encoding: Literal["onehot", "index"] = "index"
packages = ("sklearn",)
space: Space = {
    "max_iter": Integer(50, 200, 25, first=100),
    "learning_rate": LogUniform(0.03, 0.3, first=0.1),
    "max_leaf_nodes": Integer(7, 63, 8, first=31),
    "min_samples_leaf": Integer(5, 50, 5, first=20),
    "l2_regularization": LogUniform(0.001, 10.0, first=0.1),
}
_KINDS = {"regression": "sklearn.ensemble:HistGradientBoostingRegressor"}
_CLASSIFIER = "sklearn.ensemble:HistGradientBoostingClassifier"


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted HistGradientBoostingClassifier or -Regressor as an MLlib estimator. It does not stop early by itself:
    the search has the say. Raises UsageError where scikit-learn isn't installed."""
    try:
        from .single import SingleEstimator

        fixed = {"random_state": seed, "early_stopping": False}
        return SingleEstimator(_KINDS.get(task, _CLASSIFIER), task, {**fixed, **params})
    except ImportError as error:
        raise UsageError(f"the model family 'sklearn_hist_gradient_boosting' needs scikit-learn ({error}): pip install "
                         "'perdure[sklearn]', where the driver and the executors run") from error
