"""The ledger's chain where it lives: in a Delta table that sessions write side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.chain import Chain, verify
from perdure.core.config import Target
from perdure.core.record import LARGE, RunRecord
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


def test_large_facts_are_read_when_asked_for(spark: SparkSession, tmp_path: Path) -> None:
    large = {f"column {at}": at / 7 for at in range(LARGE // 10)}
    with opened(spark, tmp_path) as ledger:
        written = [ledger.append(replace(run(at, "a"), facts={"rows": at, "drift": large})) for at in range(6)]
    ledger = opened(spark, tmp_path)
    with count_jobs(spark) as count:
        assert [each.facts["rows"] for each in ledger.records] == list(range(6))
        assert all("drift" in each.facts for each in ledger.records)
    assert count.jobs == 0
    assert list(ledger.records) == written
    assert ledger._fetches == 4  # three alone, then all
    ledger.close()


def test_a_table_of_an_older_version_goes_on(spark: SparkSession, tmp_path: Path) -> None:
    tables, chain = Tables(spark, Target(storage=str(tmp_path), tracking="x"), "/"), Chain([])
    old = [run(0, "unchained"), chain.add(run(1, "a")), chain.add(run(2, "a"))]
    rows = [(r.run_id, r.pipeline, r.step, r.subject, r.interval, r.status, r.started_at, r.seconds, r.to_json())
            for r in old]
    schema = ("run_id string, pipeline string, step string, subject string, interval string, status string, "
              "started_at string, seconds double, record string")
    tables.append_records("runs", spark.createDataFrame(rows[1:], schema))
    with opened(spark, tmp_path) as ledger:
        assert list(ledger.records) == old[1:]
        new = ledger.append(run(3, "b"))
    with opened(spark, tmp_path) as ledger:
        assert list(ledger.records) == [*old[1:], new]
        assert verify(ledger.stored()).problems == ()
    tables.append_records("runs", spark.createDataFrame(rows[:1], schema))
    with opened(spark, tmp_path) as ledger:
        assert list(ledger.records) == [old[0], *old[1:], new]
        assert [each.kind for each in verify(ledger.stored()).problems] == ["inserted"]
