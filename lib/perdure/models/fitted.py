"""Fitted models: one PipelineModel from raw feature rows to predictions, how it scores, and what it leans on."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.errors import UsageError
from perdure.core.identifiers import quoted
from perdure.core.space import Params, Space

from .compiled import Compiled
from .decision import Decided
from .prepare import Preparation

if TYPE_CHECKING:
    from pyspark.ml import Estimator, PipelineModel, Transformer
    from pyspark.sql import Column, DataFrame


def family(name: str, task: str) -> ModuleType:
    """The registered family `name`, of type `perdure.core.protocols.ModelFamily`. Raises UsageError when there is
    none, or when it can't do `task`."""
    found = registry.load("perdure.models", name)
    if task not in found.tasks:
        able = [other for other in registry.names("perdure.models")
                if task in registry.load("perdure.models", other).tasks]
        raise UsageError(f"the model family '{name}' does {', '.join(found.tasks)}, not {task}; "
                         f"these do: {', '.join(able)}")
    return found


def estimator(name: str, params: Params, task: str, *, seed: int, bins: int, weight: str = "") -> Estimator[Any]:
    """The unfitted estimator of a family; `bins` is `Preparation.bins`, for those that cut numbers into bins. `weight`:
    a column that rows weigh by."""
    unfitted: Estimator[Any] = family(name, task).estimator(params, task, seed)
    if unfitted.hasParam("maxBins"):
        unfitted.set(unfitted.getParam("maxBins"), bins)
    if weight:
        unfitted.set(unfitted.getParam("weightCol"), weight)
    return unfitted


def space(name: str, task: str, changes: Space) -> Space:
    """The family's own space with some dimensions replaced or added. Raises UsageError for a parameter that its
    estimator doesn't have."""
    found = family(name, task)
    if changes:
        known = [param.name for param in found.estimator({}, task, 0).params]
        for parameter in changes:
            if parameter not in known:
                raise UsageError(f"model.tune.space: the family '{name}' has no parameter '{parameter}'"
                                 f"{registry.did_you_mean(parameter, known)}; it has: {', '.join(known)}")
    return {**found.space, **changes}


def assemble(preparation: Preparation, rows: DataFrame, encoding: str, model: Transformer) -> PipelineModel:
    """One model from raw rows to `prediction` (and `probability`). `rows` gives the raw schema only."""
    from pyspark.ml import PipelineModel

    return PipelineModel(stages=[*preparation.stages(rows, encoding), model])


def predict(model: Transformer | Compiled | Decided, rows: DataFrame, task: str) -> DataFrame:
    """`rows` with `prediction` and `probability` added, of a multiclass task `probabilities`, too (see `outputs`); the
    vectors on the way are dropped. Columns of these names that `rows` has already are replaced."""
    from pyspark.sql import functions as F

    if isinstance(model, Decided):
        return model.decide(predict(model.model, rows, task))
    if isinstance(model, Compiled):
        return model.predict(rows)

    plain = rows.drop("prediction", "probability", "probabilities", "rawPrediction", "features")
    return model.transform(plain).select(*(F.col(quoted(name)) for name in plain.columns), *outputs(task))


def outputs(task: str) -> list[Column]:
    """From the columns that MLlib's transform adds: `prediction` (double; a class by its number) and `probability`
    (double): of class 1, of the predicted class where there are several (`probabilities`: of each), null for a
    regression."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    prediction = F.col("prediction").cast("double").alias("prediction")
    if task == "multiclass":
        each = vector_to_array(F.col("probability"))
        return [prediction, F.array_max(each).alias("probability"), each.alias("probabilities")]
    probability = class_one() if task == "binary" else F.lit(None).cast("double")
    return [prediction, probability.alias("probability")]


def class_one() -> Column:
    """The probability of class 1, from MLlib's vector column `probability`."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    return F.get(vector_to_array(F.col("probability")), 1)


def importance(model: Any, slots: list[str], vectors: DataFrame) -> dict[str, float]:
    """How much the model leans on each raw column, as shares that sum to 1, largest first (ties by name).

    Trees: MLlib's `featureImportances` (impurity decrease), XGBoost's total gain. Linear models: |coefficient| times
    the standard deviation of its input over `vectors` (column `features`; one job). Places that come from one raw
    column are added.
    An empty result when the model offers neither.
    """
    weights = _weights(model, vectors, len(slots))
    totals: dict[str, float] = dict.fromkeys(slots, 0.0)
    for name, weight in zip(slots, weights, strict=bool(weights)):
        totals[name] += float(weight)
    whole = sum(totals.values())
    if not whole:
        return {}
    return {name: value / whole for name, value in sorted(totals.items(), key=lambda item: (-item[1], item[0]))}


def _weights(model: Any, vectors: DataFrame, slots: int) -> list[float]:
    if hasattr(model, "featureImportances"):
        return list(model.featureImportances.toArray())
    if hasattr(model, "get_feature_importances"):  # XGBoost's, by place; inputs that no tree splits on are left out
        gains = model.get_feature_importances("total_gain")
        return [gains.get(f"f{place}", 0.0) for place in range(slots)]
    coefficients = _coefficients(model)
    if coefficients is None:
        return []
    from pyspark.ml.stat import Summarizer
    from pyspark.sql import functions as F

    spread = vectors.select(Summarizer.std(F.col("features")).alias("std")).collect()[0]["std"]
    return list(abs(coefficients).sum(axis=0) * spread.toArray())


def _coefficients(model: Any) -> Any:
    """A linear model's weights, a row a class (one where there are two, or none)."""
    if hasattr(model, "coefficientMatrix"):
        return model.coefficientMatrix.toArray()
    return model.coefficients.toArray()[None, :] if hasattr(model, "coefficients") else None


def sizes(model: Any) -> Mapping[str, int]:
    """How big a fitted family model is: trees and nodes, or coefficients that aren't zero."""
    if hasattr(model, "totalNumNodes"):
        return {"trees": model.getNumTrees if not callable(model.getNumTrees) else model.getNumTrees(),
                "nodes": model.totalNumNodes}
    coefficients = _coefficients(model)
    return {} if coefficients is None else {"coefficients": int((coefficients != 0).sum())}
