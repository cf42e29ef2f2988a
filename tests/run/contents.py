"""The contents of a project's tables, less what time and chance may change, for comparing two lives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

# When and by whom; everything else must be equal, run ids included.
CHANCE = {"decided_at", "at_", "who", "started_at", "seconds", "record", "brief", "_file", "evidence"}
OUTCOME = ("features", "labels", "predictions", "decisions", "alias_history")


def same(spark: SparkSession, expected: Path, found: Path, until: str | None = None) -> None:
    """Equal outcomes but for the last bits of numbers: executors and driver may add up with different instructions.
    `until`: the last interval that was lived in what was found."""
    for table in OUTCOME:
        one, other = (_rounded(rows(spark, project, table, until)) for project in (found, expected))
        assert one == other, f"table {table} differs"
        assert one, f"table {table} has no rows"


def _rounded(texts: list[str]) -> list[Any]:
    return [json.loads(text, parse_float=lambda number: f"{float(number):.12g}") for text in texts]


def tables(project: Path) -> list[str]:
    return sorted(path.parent.name for path in (project / ".data" / "buoy" / "tables").glob("*/_delta_log"))


def rows(spark: SparkSession, project: Path, table: str, until: str | None = None) -> list[Any]:
    """The rows of a project's table as sorted texts; of the intervals through `until`."""
    return contents(spark, f"{project}/.data/buoy/tables/{table}", until)


def contents(spark: SparkSession, place: str, until: str | None = None) -> list[Any]:
    """The rows of the table at `place`, whose last part is its name, as sorted texts; of the intervals through
    `until`."""
    frame: DataFrame = spark.read.format("delta").load(place)
    table = place.rpartition("/")[2]
    if table == "runs":
        frame = frame.where("status <> 'failed'")
    if until is not None:
        frame = frame.where(F.col("interval" if table == "runs" else "_interval") <= until)
    drop = CHANCE | ({"at"} if table == "alias_history" else set())
    kept = ", ".join(f"`{name}`" for name in frame.columns if name not in drop)
    return sorted(row[0] for row in frame.selectExpr(f"to_json(struct({kept}))").collect())
