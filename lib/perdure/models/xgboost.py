"""Gradient-boosted trees by XGBoost on Spark (extra `xgboost`). One training task, so that a training repeats to the
last bit; it holds the training rows, so they must fit one executor."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from perdure.core.errors import UsageError
from perdure.core.space import Integer, LogUniform, Params, Space, Uniform

if TYPE_CHECKING:
    from pyspark.ml import Estimator

tasks = ("binary", "regression")
encoding: Literal["onehot", "index"] = "onehot"
packages = ("xgboost",)
space: Space = {
    "n_estimators": Integer(50, 200, 25, first=100),
    "max_depth": Integer(3, 8, first=5),
    "learning_rate": LogUniform(0.03, 0.3, first=0.1),
    "min_child_weight": Integer(1, 16, 3, first=4),
    "subsample": Uniform(0.6, 1.0, first=0.8),
}


def estimator(params: Params, task: str, seed: int) -> Estimator[Any]:
    """An unfitted `SparkXGBClassifier` (binary) or `SparkXGBRegressor`, by histograms. Raises UsageError where XGBoost
    isn't installed."""
    try:
        from xgboost.spark import SparkXGBClassifier, SparkXGBRegressor
    except ImportError as error:
        raise UsageError(f"the model family 'xgboost' needs its package ({error}): pip install 'perdure[xgboost]', "
                         "where the driver and the executors run") from error
    logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)  # its tasks log as loud as the driver
    kind = SparkXGBClassifier if task == "binary" else SparkXGBRegressor
    chosen: dict[str, Any] = {"tree_method": "hist", **params}
    return kind(features_col="features", label_col="label", num_workers=1, random_state=seed, verbose=False, **chosen)
