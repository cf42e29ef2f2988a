"""The ledger's chain where it lives: in a Delta table that sessions write side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.chain import verify
from perdure.core.config import Target
from perdure.core.record import RunRecord
from perdure.io.ledger import Ledger
from perdure.io.tables import Tables
from perdure.testing.spark import count_jobs

from ..core.test_record import record

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(number: int, who: str) -> RunRecord:
    now = datetime.now(timezone.utc).isoformat()
    return replace(record(), run_id=f"{who}-{number}", interval=f"day {number}", started_at=now)


def opened(spark: SparkSession, folder: Path) -> Ledger:
    return Ledger(spark, Tables(spark, Target(storage=str(folder), tracking="x"), "/"), "p")


def append(ledger: Ledger, who: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(ledger.append, run(number, who)) for number in range(8)]:
            future.result()


def test_sessions_and_threads_side_by_side_leave_a_whole_chain(spark: SparkSession, tmp_path: Path) -> None:
    with opened(spark, tmp_path) as first:
        append(first, "first")
    with opened(spark, tmp_path) as one, opened(spark, tmp_path) as other:
        append(one, "one")
        append(other, "other")
    with opened(spark, tmp_path) as last:
        append(last, "last")
        assert len(last.records) == 32
    found = verify(opened(spark, tmp_path).stored())
    assert (found.records, found.sessions, found.forks, found.problems) == (32, 4, 1, ())
    _tampering_shows(spark, tmp_path)


def _tampering_shows(spark: SparkSession, folder: Path) -> None:
    table = f"delta.`{folder}/tables/runs`"
    spark.sql(f"DELETE FROM {table} WHERE run_id = 'one-3'")
    tables: Any = Tables(spark, Target(storage=str(folder), tracking="x"), "/")
    assert "DELETE" in [commit["operation"] for commit in tables.history("runs")]
    assert [each.kind for each in verify(opened(spark, folder).stored()).problems] == ["removed"]


def test_the_chain_costs_no_job(spark: SparkSession, tmp_path: Path) -> None:
    with opened(spark, tmp_path) as ledger:
        ledger.append(run(0, "a"))
    ledger = opened(spark, tmp_path)
    with count_jobs(spark) as count:
        one, other = ledger._chain.add(run(1, "a")), ledger._chain.add(run(2, "a"))
    assert count.jobs == 0
    assert one.link is not None and other.link is not None
    assert other.link.previous == (one.link.hash,)
    ledger.close()
