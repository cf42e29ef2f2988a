"""Estimators of scikit-learn's kind as MLlib's: fitted in one Spark task, scored in all of them, by Arrow batches.

The rows of a fit come to one task of one executor, never to the driver; what comes back is the fitted model. So trials
run side by side over the cluster, each in one task on one core, as they would in hyperopt's SparkTrials, and are judged
by the one pass that judges every family (docs/decisions/0050-one-task.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.ml import Estimator, Model
from pyspark.ml.linalg import DenseVector
from pyspark.ml.param import Param
from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasPredictionCol, HasProbabilityCol, HasWeightCol
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReadable, MLReader, MLWritable, MLWriter

from ._task import Fit, Score, estimator_class

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_FITTED = "model binary, told string"


class SingleEstimator(Estimator["SingleModel"], HasFeaturesCol, HasLabelCol, HasWeightCol):
    """An unfitted estimator. `kind`: its class as `module:name`; its own parameters are this one's params. Places of
    the vector that the schema marks as nominal are categories to it."""

    def __init__(self, kind: str, task: str, chosen: Mapping[str, Any]) -> None:
        """`chosen`: values of the estimator's own parameters. Raises TypeError for one that it doesn't have."""
        super().__init__()
        self.kind, self.task = kind, task
        known = estimator_class(kind)().get_params()
        for name in known:
            setattr(self, name, Param(self, name, f"{kind}'s {name}"))
        for name, value in chosen.items():
            if name not in known:
                raise TypeError(f"{kind} has no parameter {name}; it has: {', '.join(sorted(known))}")
            self._set(**{name: value})
        self._own = tuple(known)

    def _fit(self, dataset: DataFrame) -> SingleModel:
        """Fits in one task. The order of the rows there is by their content, so that it is the same anywhere."""
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as F

        label, places = F.col(self.getLabelCol()).cast("double"), vector_to_array(F.col(self.getFeaturesCol()))
        weight = F.col(self.getWeightCol()).cast("double") if self.isSet("weightCol") else F.lit(1.0)
        rows = dataset.select(places.alias("x"), label.alias("y"), weight.alias("w")).select(
            "*", F.xxhash64("x", "y", "w").alias("place"))
        chosen = {name: self.getOrDefault(name) for name in self._own if self.isSet(name)}
        nominal = _nominal(dataset, self.getFeaturesCol())
        if nominal and "categorical_features" in self._own:
            chosen["categorical_features"] = nominal
        fit = Fit(self.kind, chosen, self.task, _classes(dataset, self.getLabelCol()))
        (found,) = rows.coalesce(1).mapInArrow(fit, _FITTED).collect()
        made = SingleModel(bytes(found["model"]), json.loads(found["told"]))
        return self._copyValues(made)


class SingleModel(Model, HasFeaturesCol, HasPredictionCol, HasProbabilityCol, MLReadable["SingleModel"], MLWritable):
    """A fitted estimator: its pickle, and what is told of it (number of classes, gains by place, trees, nodes)."""

    def __init__(self, pickled: bytes, told: Mapping[str, Any]) -> None:
        """Nothing is unpickled here: the tasks that score do that."""
        super().__init__()
        self.pickled, self.told = pickled, dict(told)

    @property
    def featureImportances(self) -> DenseVector:  # noqa: N802, as MLlib's trees name it
        """How much each place of the vector has gained, in all trees together."""
        return DenseVector(self.told["gains"])

    @property
    def totalNumNodes(self) -> int:  # noqa: N802, as MLlib's trees name it
        """Of all trees."""
        return int(self.told["nodes"])

    @property
    def getNumTrees(self) -> int:  # noqa: N802, as MLlib's forests name it
        """How many trees there are."""
        return int(self.told["trees"])

    def _transform(self, dataset: DataFrame) -> DataFrame:
        """`dataset` with `prediction`, and `probability` (a vector) where there are classes. No other column goes to
        Python."""
        import pyarrow as pa
        from pyspark.ml.functions import array_to_vector, vector_to_array
        from pyspark.sql import functions as F
        from pyspark.sql.pandas.functions import arrow_udf

        classes = int(self.told["classes"])
        score = Score(self.pickled, classes)

        def answers(vectors: Any) -> Any:
            return score(vectors)

        answers.__annotations__ = {"vectors": pa.Array, "return": pa.Array}  # by which Spark knows its kind
        make: Any = arrow_udf  # whose types ask for the kind, which its hints give already
        answer = make(answers, "array<double>" if classes else "double")
        raw = answer(vector_to_array(F.col(self.getFeaturesCol())))
        if not classes:
            return dataset.withColumn(self.getPredictionCol(), raw)
        found = dataset.withColumn("_answer", raw)
        likeliest = (F.array_position("_answer", F.array_max("_answer")) - 1).cast("double")
        return found.withColumns({self.getProbabilityCol(): array_to_vector(F.col("_answer")),
                                  self.getPredictionCol(): likeliest}).drop("_answer")

    def write(self) -> MLWriter:
        """Stores MLlib's metadata, and the pickle as one row of Parquet beside them."""
        return _Writer(self)

    @classmethod
    def read(cls) -> MLReader[SingleModel]:
        """The inverse of `write`."""
        return _Reader()


class _Writer(MLWriter):
    def __init__(self, model: SingleModel) -> None:
        super().__init__()
        self.model = model

    def saveImpl(self, path: str) -> None:  # noqa: N802
        DefaultParamsWriter.saveMetadata(self.model, path, self.sparkSession, extraMetadata={"told": self.model.told})
        row = self.sparkSession.createDataFrame([(bytearray(self.model.pickled),)], "model binary")
        row.coalesce(1).write.parquet(f"{path}/model")


class _Reader(MLReader[SingleModel]):
    def load(self, path: str) -> SingleModel:
        metadata = DefaultParamsReader.loadMetadata(path, self.sparkSession)
        (row,) = self.sparkSession.read.parquet(f"{path}/model").collect()
        model = SingleModel(bytes(row["model"]), metadata["told"])
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model


def _attributes(dataset: DataFrame, column: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = dataset.schema[column].metadata.get("ml_attr", {})
    return found


def _nominal(dataset: DataFrame, column: str) -> list[int]:
    """The vector's places that are categories, by the schema."""
    groups = _attributes(dataset, column).get("attrs", {})
    return sorted(int(each["idx"]) for each in groups.get("nominal", ()))


def _classes(dataset: DataFrame, column: str) -> int:
    """How many classes the label has, by the schema; 0 where it doesn't tell."""
    return len(_attributes(dataset, column).get("vals", ()))
