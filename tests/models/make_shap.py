"""Writes `shap.json`: what the shap library gives for MLlib models of every kind, the models' trees, and the rows.

Run by hand, in an environment of its own: pip install shap pyspark; PYTHONPATH=lib python tests/models/make_shap.py.
Splits are on numbers only: the library knows no MLlib splits on categories.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import shap
from pyspark.ml import classification, regression
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from perdure.models import trees

ROWS, SHOWN, FEATURES = 600, 30, 6
SETTINGS: dict[str, dict[str, Any]] = {
    "DecisionTreeClassifier": {"maxDepth": 5}, "DecisionTreeRegressor": {"maxDepth": 5},
    "RandomForestClassifier": {"maxDepth": 5, "numTrees": 4}, "RandomForestRegressor": {"maxDepth": 5, "numTrees": 4},
    "GBTClassifier": {"maxDepth": 4, "maxIter": 5}, "GBTRegressor": {"maxDepth": 4, "maxIter": 5},
    "LogisticRegression": {"regParam": 0.01}, "LinearRegression": {"regParam": 0.01},
}  # fmt: skip


def main() -> None:
    """Fits each model on the same 600 rows and explains 30 of them."""
    chance = np.random.default_rng(5)
    x = chance.normal(size=(ROWS, FEATURES)).round(3)
    x[:, 4] = (x[:, 4] > 0.3).astype(float)
    score = x[:, 0] * x[:, 1] + 2 * x[:, 4] - x[:, 2] + chance.normal(0, 0.3, ROWS)
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    pairs = list(zip(x, score, strict=True))
    frames = {"classification": spark.createDataFrame([(Vectors.dense(a), float(b > 0)) for a, b in pairs],
                                                      ["features", "label"]),
              "regression": spark.createDataFrame([(Vectors.dense(a), float(b)) for a, b in pairs],
                                                  ["features", "label"])}
    found = {}
    for name, settings in SETTINGS.items():
        kind = "classification" if hasattr(classification, name) else "regression"
        seed = {} if name.startswith("L") else {"seed": 3}
        model = getattr(classification if kind == "classification" else regression, name)(**settings, **seed).fit(
            frames[kind])
        found[name] = linear(model, x) if name.startswith("L") else ensemble(model, x)
    data = {"shap": shap.__version__, "rows": x[:SHOWN].tolist(), "models": found}
    Path(__file__).with_name("shap.json").write_text(json.dumps(data) + "\n")
    spark.stop()


def ensemble(model: Any, x: Any) -> dict[str, Any]:
    """A tree model's nodes, its SHAP values of class 1 or of the number, and its expected value."""
    explainer = shap.TreeExplainer(model)
    values, base = np.array(explainer.shap_values(x[:SHOWN], check_additivity=False)), explainer.expected_value
    if values.ndim == 3:
        values, base = values[:, :, 1], base[1]
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model")
        read = trees.read(model, f"{folder}/model")
    arrays = [{name: getattr(tree, name).tolist() for name in trees.Tree.__dataclass_fields__} for tree in read]
    return {"trees": arrays, "values": values.tolist(), "base": float(np.ravel(base)[0])}


def linear(model: Any, x: Any) -> dict[str, Any]:
    """A linear model's weights, and its SHAP values against the mean of all rows."""
    weights, intercept = model.coefficients.toArray(), float(model.intercept)
    explainer = shap.LinearExplainer((weights, intercept), shap.maskers.Independent(x, max_samples=len(x)))
    return {"weights": weights.tolist(), "means": x.mean(axis=0).tolist(), "intercept": intercept,
            "values": explainer.shap_values(x[:SHOWN]).tolist(), "base": float(explainer.expected_value)}


if __name__ == "__main__":
    main()
