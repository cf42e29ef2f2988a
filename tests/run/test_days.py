"""A day costs the same whether few are stored or a thousand (PERDURE_DAYS=1000; by default 150, in less time)."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perdure.core import pipeline_file
from perdure.core.interval import Interval
from perdure.run import plans
from perdure.run.champion import champion_at
from perdure.run.context import Context
from perdure.run.engine import execute
from perdure.run.progress import Progress
from perdure.testing.spark import count_jobs

pytestmark = pytest.mark.long
DAY, DAYS = "2016-06-19", int(os.environ.get("PERDURE_DAYS", "150"))
STORED = ("profiles", "profile_metrics", "drift_metrics")


@contextmanager
def opened(spark: Any, lived: Path, folder: Path) -> Iterator[Context]:
    """A copy of a lived project, opened."""
    shutil.copytree(lived.parents[1], folder)
    file = folder / "pipelines" / lived.name
    with Context(pipeline_file.load(file), spark, Progress(silent=True), str(file)) as context:
        yield context


def store_days(spark: Any, context: Context, interval: Interval) -> None:
    """`DAYS` earlier days, each with the tables' rows and the records of `interval`."""
    days = spark.range(1, DAYS + 1)
    for table in STORED:
        place = context.tables.where(table)
        rows = spark.read.format("delta").load(place).where(f"_interval = '{interval.label}'").localCheckpoint()
        start, end = (f"window.{side} - make_dt_interval(id) AS {side}" for side in ("start", "end"))
        shifted = f"struct({start}, {end}) window"
        copied = rows.crossJoin(days).selectExpr(
            "* EXCEPT (id, window, _interval, _run_id)", shifted, "concat('day', id) _run_id",
            f"date_format(timestamp'{interval.start:%Y-%m-%d}' - make_dt_interval(id), 'yyyy-MM-dd') _interval")
        copied.write.format("delta").mode("append").partitionBy("_interval").save(place)
    record = context.ledger.latest("monitor", interval=interval.label)
    assert record is not None
    for day in range(1, DAYS + 1):
        start = interval.start - timedelta(days=day)
        context.ledger.append(replace(
            record, run_id=f"day{day}", interval=f"{start:%Y-%m-%d}", interval_start=start.isoformat(),
            interval_end=(start + timedelta(days=1)).isoformat(), started_at=start.isoformat()))


def monitored(spark: Any, context: Context, interval: Interval) -> tuple[int, float]:
    """Spark jobs and processor seconds (of Python) of monitoring the day once more, warm."""
    champion = champion_at(context.ledger, interval.start)
    assert champion is not None
    for _ in range(2):
        before = time.process_time()
        with count_jobs(spark) as count:
            outcome = execute(context, plans.monitor(context, interval, champion), rerun=True)
        assert outcome.record.facts["rows"] == 48
        assert outcome.record.facts["told"]
    return count.jobs, time.process_time() - before


def test_a_day_costs_what_the_first_did(spark: Any, lived: Path, tmp_path: Path) -> None:
    interval = Interval.parse(DAY, pipeline_file.load(lived).interval)
    with opened(spark, lived, tmp_path / "few") as context:
        few = monitored(spark, context, interval)
    with opened(spark, lived, tmp_path / "many") as context:
        store_days(spark, context, interval)
    shutil.copytree(tmp_path / "many", tmp_path / "stored")  # opened anew, so that nothing is left in memory
    with Context(pipeline_file.load(tmp_path / "stored" / "pipelines" / lived.name), spark, Progress(silent=True),
                 str(tmp_path / "stored" / "pipelines" / lived.name)) as context:
        assert sum(record.run_id.startswith("day") for record in context.ledger.records) == DAYS
        many = monitored(spark, context, interval)
    print(f"jobs and Python seconds: {few} with few days stored, {many} with {DAYS}")  # noqa: T201
    assert many[0] <= few[0]
    assert many[1] < 3 * few[1] + 0.5
