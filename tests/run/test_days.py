"""A day costs the same whether few are stored or a thousand (PERDURE_DAYS=1000; by default 60, in less time). By hand:
tests/run.sh tests/run/test_days.py"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from perdure.core import pipeline_file
from perdure.core.interval import Interval
from perdure.run import audit, plans
from perdure.run.champion import champion_at
from perdure.run.context import Context
from perdure.run.engine import execute
from perdure.run.progress import Progress
from perdure.testing.spark import count_jobs

from .conftest import copy_of

pytestmark = [pytest.mark.long, pytest.mark.slow]
DAY, DAYS = "2016-06-19", int(os.environ.get("PERDURE_DAYS", "60"))
STORED = ("profiles", "profile_metrics", "drift_metrics")


@contextmanager
def opened(spark: Any, lived: Path, folder: Path) -> Iterator[Context]:
    """A copy of a lived project, opened."""
    file = copy_of(lived, folder)
    with Context(pipeline_file.load(file), spark, Progress(silent=True), str(file)) as context:
        yield context


def reopened(spark: Any, folder: Path, pipeline: str) -> Context:
    """A project, opened."""
    file = folder / "pipelines" / pipeline
    return Context(pipeline_file.load(file), spark, Progress(silent=True), str(file))


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


class Cost(NamedTuple):
    """Spark jobs, bytes that they read of files, and processor seconds of Python."""

    jobs: int
    read: int
    seconds: float


def bytes_read(spark: Any) -> int:
    """By all tasks of the session so far."""
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty()
    executors = context.statusStore().executorList(True)
    return sum(executors.apply(at).totalInputBytes() for at in range(executors.size()))


def cost(spark: Any, work: Callable[[], object]) -> Cost:
    """Of the work."""
    read, before = bytes_read(spark), time.process_time()
    with count_jobs(spark) as count:
        work()
    return Cost(count.jobs, bytes_read(spark) - read, time.process_time() - before)


def monitored(spark: Any, context: Context, interval: Interval) -> Cost:
    """Of monitoring the day once more, warm."""
    champion = champion_at(context.ledger, interval.start)
    assert champion is not None

    def work() -> None:
        outcome = execute(context, plans.monitor(context, interval, champion), rerun=True)
        assert outcome.record.facts["rows"] == 48
        assert outcome.record.facts["told"]

    return [cost(spark, work) for _ in range(2)][-1]


def started(spark: Any, folder: Path, pipeline: str) -> Cost:
    """Of opening the project, warm; it ends with a copy of the same, which no session has seen."""
    found = []
    for name in ("once", "again"):
        shutil.copytree(folder, folder.with_name(f"{folder.name} {name}"))
        copy = folder.with_name(f"{folder.name} {name}")
        found.append(cost(spark, partial(lambda place: reopened(spark, place, pipeline).ledger.close(), copy)))
    return found[-1]


def test_a_day_costs_what_the_first_did(spark: Any, lived: Path, tmp_path: Path) -> None:
    interval = Interval.parse(DAY, pipeline_file.load(lived).interval)
    with opened(spark, lived, tmp_path / "few") as context:
        few = monitored(spark, context, interval)
        largest = max(len(record.to_json()) for record in context.ledger.records)
    with opened(spark, lived, tmp_path / "many") as context:
        store_days(spark, context, interval)
    starts = [started(spark, tmp_path / name, lived.name) for name in ("few", "many")]
    shutil.copytree(tmp_path / "many", tmp_path / "stored")  # opened anew, so that nothing is left in memory
    with reopened(spark, tmp_path / "stored", lived.name) as context:
        assert sum(record.run_id.startswith("day") for record in context.ledger.records) == DAYS
        many = monitored(spark, context, interval)
    with reopened(spark, tmp_path / "stored", lived.name) as context:
        assert audit.verify(context)["intact"]
    print(f"to start with few days stored {starts[0]}, with {DAYS} {starts[1]}; largest record {largest}")  # noqa: T201
    print(f"to monitor one {few} and {many}")  # noqa: T201
    assert starts[1].jobs <= starts[0].jobs
    assert starts[1].read - starts[0].read < DAYS * 1000  # in brief
    assert many.jobs <= few.jobs
    assert many.read - few.read < DAYS * 10_000  # Delta's list of files, which it holds in memory
    assert many.seconds < 3 * few.seconds + 0.5
