from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FEATURES = """-- sales of an item, and what is known of its shop
SELECT s.id, s.sold_at, s.price, p.town, {'a': 1}['a'] AS one,
  (SELECT count(*) FROM returned r WHERE r.shop = s.shop AND r._available_at <= s.sold_at) AS returns
FROM sales s LEFT JOIN shops p USING (shop);
"""
RETURNED = "SELECT shop, sold_at, _available_at\nFROM outcomes\nWHERE back"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Pipeline]:
    """A pipeline whose SQL is given; other keywords replace sections of its file."""

    def pipeline(sql: str = FEATURES.replace("{'a': 1}['a']", "map('{a}', 1)['{a}']"), returned: str = RETURNED,
                 **sections: Any) -> Pipeline:
        (tmp_path / "features.sql").write_text(sql)
        (tmp_path / "returned.sql").write_text(returned)
        data = {
            "pipeline": "shop", "targets": {"local": {"storage": "x", "tracking": "y"}}, "interval": "1 day",
            "start": "2024-01-01",
            "sources": {
                "sales": {"format": "csv", "path": "x", "event_time": "sold_at", "schema": {
                    "id": "int", "sold_at": "timestamp", "shop": "string", "price": "double"}},
                "outcomes": {"format": "csv", "path": "x", "event_time": "sold_at", "available_after": "2 days",
                             "schema": {"id": "int", "sold_at": "timestamp", "shop": "string", "back": "boolean"}},
                "shops": {"format": "csv", "path": "x", "schema": {"shop": "string", "town": "string"}},
            },
            "features": {"sql": "features.sql", "views": {"returned": "returned.sql"}, "key": "id",
                         "event_time": "sold_at"},
            "label": {"column": "back", "from": "outcomes"},
            "model": {"task": "binary", "families": ["gbt"]}, "train": {"window": "4 days", "holdout": "1 day"},
            "root": tmp_path, **sections,
        }
        return Pipeline.model_validate(data)

    return pipeline


@pytest.fixture
def sources(spark: SparkSession) -> dict[str, DataFrame]:
    """Ten days of sales in two shops, one each day; every other one comes back."""
    days = spark.range(1, 11).selectExpr(
        "CAST(id AS INT) AS id", "timestamp'2024-01-01 12:00:00' + make_interval(0, 0, 0, id - 1) AS sold_at",
        "IF(id <= 5, 'north', 'south') AS shop")
    return {
        "sales": days.selectExpr("*", "id * 1.5D AS price", "'2024' AS _interval"),
        "outcomes": days.selectExpr("id", "sold_at", "shop", "IF(id = 4, NULL, id % 2 = 0) AS back", "'r' AS _run_id"),
        "shops": spark.sql("SELECT 'north' AS shop, 'Riga' AS town"),
    }
