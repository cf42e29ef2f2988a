"""What is due, from a real ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline, Target
from perdure.core.interval import Interval
from perdure.core.record import RunRecord
from perdure.io.ledger import Ledger
from perdure.io.tables import Tables
from perdure.run.owed import owed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PIPELINE = Pipeline.model_validate({
    "pipeline": "p", "targets": {"local": {"storage": "x", "tracking": "y"}}, "interval": "1 month", "start": "2013-01",
    "sources": {"s": {"format": "csv", "path": "x", "event_time": "at", "available_after": "1 day",
                      "schema": {"id": "string", "at": "timestamp"}}},
    "features": {"sql": "x.sql", "key": "id", "event_time": "at"}, "label": {"column": "id", "from": "s"},
    "model": {"task": "binary", "families": ["gbt"]}, "train": {"window": "4 months", "holdout": "1 month"},
})  # fmt: skip


def record(step: str, month: int, status: str = "done", **facts: Any) -> RunRecord:
    interval = Interval.parse(f"2013-{month:02}", PIPELINE.interval)
    return RunRecord(
        f"{step} {month}", "p", step, "", interval.label, interval.start.isoformat(), interval.end.isoformat(), status,
        "code", {}, 42, f"2013-{month:02}-28T00:00:00+00:00", 1.0, "me", "local", facts=facts)  # fmt: skip


def test_what_the_ledger_lacks_is_due(spark: SparkSession, tmp_path: Path) -> None:
    def due(month: int, day: int, pipeline: Pipeline = PIPELINE) -> list[str]:
        now = datetime(2013, month, day, tzinfo=timezone.utc)
        return [interval.label for interval in owed(pipeline, ledger, now)]

    with Ledger(spark, Tables(spark, Target(storage=str(tmp_path), tracking="x"), "/"), "p") as ledger:
        assert due(2, 1) == []  # January has ended, but its last rows are not known before the second
        assert due(2, 2) == ["2013-01"]
        ledger.append(record("retrain", 1, decision="keep"))
        ledger.append(record("retrain", 2, decision="train"))
        ledger.append(record("retrain", 3, "failed"))
        assert due(4, 2) == ["2013-02", "2013-03"]  # decided to train in February, but was killed before the deployment
        ledger.append(record("deploy", 2))
        ledger.append(replace(record("retrain", 3, decision="keep"), run_id="again"))
        assert due(4, 2) == []
        told = PIPELINE.model_copy(update={"alerts": {"to": ["json://x"]}})
        assert due(4, 2, told) == ["2013-01", "2013-02", "2013-03"]
        assert due(9, 1) == ["2013-04", "2013-05", "2013-06", "2013-07"]
