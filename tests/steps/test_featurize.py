from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.interval import Duration, Interval
from perdure.steps.featurize import featurize

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_features_and_labels_of_the_interval(
        spark: SparkSession, parcels: Callable[..., Pipeline], tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("SELECT id, at, count(*) OVER (ORDER BY at) AS seen FROM arrivals")
    pipeline = parcels().model_copy(update={"root": tmp_path})
    arrivals = spark.sql("""SELECT id, timestamp'2024-01-01 18:00:00' + make_dt_interval(0, 12 * id) AS at,
        id = 2 AS late FROM range(6)""")
    day = Interval.parse("2024-01-02", Duration(1, "day"))
    result = featurize({"arrivals": arrivals}, pipeline=pipeline, interval=day)
    assert [(write.table, write.mode) for write in result.writes] == [("features", "replace"), ("labels", "replace")]
    features, labels = (write.rows.orderBy("id").collect() for write in result.writes)
    # The history before the interval counts, its rows aren't written again.
    assert [(row["id"], row["seen"]) for row in features] == [(1, 2), (2, 3)]
    assert [(row["id"], row["label"]) for row in labels] == [(1, 0.0), (2, 1.0)]
    assert result.facts == {"columns": {"id": "bigint", "at": "timestamp", "seen": "bigint"}}
