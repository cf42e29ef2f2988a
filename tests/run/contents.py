"""The contents of a project's tables, less what time and chance may change, for comparing two lives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

# When and by whom; everything else must be equal, run ids included.
CHANCE = {"decided_at", "at_", "who", "started_at", "seconds", "record", "_file", "evidence"}


def tables(project: Path) -> list[str]:
    return sorted(path.parent.name for path in (project / ".data" / "buoy" / "tables").glob("*/_delta_log"))


def rows(spark: SparkSession, project: Path, table: str) -> list[Any]:
    """The table's rows as sorted texts."""
    frame: DataFrame = spark.read.format("delta").load(str(project / ".data" / "buoy" / "tables" / table))
    if table == "runs":
        frame = frame.where("status <> 'failed'")
    drop = CHANCE | ({"at"} if table == "alias_history" else set())
    kept = ", ".join(f"`{name}`" for name in frame.columns if name not in drop)
    return sorted(row[0] for row in frame.selectExpr(f"to_json(struct({kept}))").collect())
