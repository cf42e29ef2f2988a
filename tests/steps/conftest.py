"""A small model life for the steps' tests: 1,200 parcels over 12 days of January 2024, each late or not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline
from perdure.core.protocols import StepResult
from perdure.steps.train import train

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CUT = datetime(2024, 1, 11, tzinfo=timezone.utc)


@pytest.fixture(scope="session")
def parcels() -> Callable[..., Pipeline]:
    """The pipeline; keywords replace sections."""

    def pipeline(**sections: Any) -> Pipeline:
        data = {
            "pipeline": "parcels", "targets": {"local": {"storage": "x", "tracking": "y"}}, "interval": "1 day",
            "start": "2024-01-01",
            "sources": {"arrivals": {"format": "csv", "path": "x", "event_time": "at", "available_after": "1 day",
                                     "schema": {"id": "bigint", "at": "timestamp", "late": "boolean"}}},
            "features": {"sql": "x.sql", "key": "id", "event_time": "at"},
            "label": {"column": "late", "from": "arrivals"},
            "model": {"task": "binary", "families": ["logistic_regression", "random_forest"], "exclude": ["noise"],
                      "tune": {"trials": 2}},
            "train": {"window": "8 days", "holdout": "2 days"}, "monitor": {"slices": ["town"]},
            "gate": {"thresholds": {"log_loss": 0.6, "area_under_roc": 0.6}, "beat_champion": {"metric": "log_loss"}},
            **sections,
        }
        return Pipeline.model_validate(data)

    return pipeline


@pytest.fixture(scope="session")
def features(spark: SparkSession) -> DataFrame:
    """As the table `features` holds them, with the columns that the engine adds."""
    return spark.range(0, 1200, 1, 2).selectExpr(
        "id", "timestamp'2024-01-01' + make_dt_interval(0, 0, 14.4 * id) AS at", "concat('t', id % 3) AS town",
        "IF(id % 9 = 0, NULL, pmod(xxhash64(id), 100) / 10D) AS weight", "rand(3) AS noise", "'x' AS _run_id",
        "'2024' AS _interval").localCheckpoint()


@pytest.fixture(scope="session")
def labels(features: DataFrame) -> DataFrame:
    """Late parcels are heavy ones and those of town t2; every fiftieth has no outcome; known a day later."""
    chance = "pmod(xxhash64(id, 1), 100) / 100D"
    return features.selectExpr(
        "id", "at", f"IF(id % 50 = 7, NULL, IF(weight + 3 * int(town = 't2') > 4 + 4 * {chance}, 1D, 0D)) AS label",
        "at + INTERVAL 1 DAY AS available_at", "_run_id", "_interval").localCheckpoint()


@pytest.fixture(scope="session")
def trained(features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> StepResult:
    """The pipeline's training at `CUT`."""
    return train(features, labels, pipeline=parcels(), cut=CUT)


@pytest.fixture(scope="session")
def poor(features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> StepResult:
    """A training that sees nothing of use."""
    model = {"task": "binary", "families": ["logistic_regression"], "exclude": ["weight", "town"],
             "tune": {"trials": 1}}
    return train(features, labels, pipeline=parcels(model=model), cut=CUT)
