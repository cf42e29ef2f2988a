"""Staying: intervals are lived as they become ready, files are waited for, and stopping loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core import pipeline_file
from perdure.core.protocols import Read
from perdure.run.context import Context
from perdure.run.follow import follow
from perdure.run.progress import Progress

from .conftest import ROOT, environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PIPELINE = """\
pipeline: pulse
targets: {{local: {{storage: tables, tracking: "sqlite:///m.db"}}}}
interval: {interval}
start: {start}
end: {end}
sources:
  beats:
    format: csv
    path: landing/{{interval}}.csv
    schema: {{id: string, at: timestamp, x: double}}
    key: [id]
    event_time: at
features: {{sql: features.sql, key: id, event_time: at}}
label: {{column: x, from: beats}}
model: {{task: regression, families: [linear_regression]}}
train: {{window: 900 days, holdout: 300 days}}
"""
SQL = "SELECT id, at, x FROM beats"


def project(folder: Path, interval: str, start: datetime, end: datetime) -> Path:
    (folder / "landing").mkdir(parents=True)
    (folder / "features.sql").write_text(SQL)
    text = PIPELINE.format(interval=interval, start=f"{start:%Y-%m-%dT%H:%M}", end=f"{end:%Y-%m-%dT%H:%M}")
    (folder / "pulse.yml").write_text(text)
    return folder / "pulse.yml"


def land(folder: Path, label: str, at: datetime, rows: int = 3) -> None:
    lines = [f"{label}/{number},{at:%Y-%m-%dT%H:%M:%S},{number}" for number in range(rows)]
    file = folder / "landing" / f"{label}.csv"
    file.with_suffix(".part").write_text("\n".join(["id,at,x", *lines]) + "\n")
    file.with_suffix(".part").rename(file)


class Said(Progress):
    def __init__(self) -> None:
        super().__init__(silent=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_each_interval_as_it_becomes_ready(spark: SparkSession, tmp_path: Path) -> None:
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    file = project(tmp_path, "1 day", start, start + timedelta(days=3))
    land(tmp_path, "2024-01-01", start)
    now = [start + timedelta(days=1, hours=1)]
    land_later: list[Callable[[], None]] = [
        lambda: now.append(start + timedelta(days=2)),  # the second day has ended, but its file isn't there
        lambda: land(tmp_path, "2024-01-02", start + timedelta(days=1)),
        lambda: None,
        lambda: (now.append(start + timedelta(days=4)), land(tmp_path, "2024-01-03", start + timedelta(days=2)))[1],
    ]
    said = Said()
    with Context(pipeline_file.load(str(file)), spark, said, str(file)) as context:
        rounds = [sorted({record.interval for record in session.tally.done})
                  for session in follow(context, lambda _: land_later.pop(0)(), lambda: now[-1])]  # fmt: skip
        assert rounds == [["2024-01-01"], ["2024-01-02"], ["2024-01-03"]]
        assert context.tables.read(Read("features")).count() == 9
    waits = [line for line in said.lines if line.startswith("waiting")]
    assert [line[:30] for line in waits] == ["waiting for 2024-01-02, ready ", "waiting: source 'beats' has no",
                                             "waiting for 2024-01-03, ready "]  # fmt: skip
    assert land_later == []


@pytest.mark.long
def test_minutes_as_a_service(spark: SparkSession, tmp_path: Path) -> None:
    """Told to stop after the first minute, and started again: every row is there once, and it ends by itself."""
    start = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(minutes=2)
    minutes = [start + timedelta(minutes=number) for number in range(4)]
    file = project(tmp_path, "1 minute", start, minutes[-1] + timedelta(minutes=1))
    for at in minutes:
        land(tmp_path, f"{at:%Y-%m-%dT%H-%M}", at)
    command = [sys.executable, str(ROOT / "jobs" / "run.py"), str(file), "--follow", "--json"]

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = begin()
    assert first.stdout is not None
    told = [json.loads(first.stdout.readline())]
    first.send_signal(signal.SIGTERM)
    rest, errors = first.communicate(timeout=300)
    assert first.returncode == 130, errors
    assert "the same command goes on from here" in errors
    second = begin()
    more, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    told += [json.loads(line) for line in (rest + more).splitlines()]
    lived: list[Any] = [run["interval"] for one in told for run in one["runs"] if run["step"] == "retrain"]
    assert lived == [f"{at:%Y-%m-%dT%H:%M}" for at in minutes]
    with Context(pipeline_file.load(str(file)), spark, Progress(silent=True), str(file)) as context:
        assert context.tables.read(Read("features")).select("id").distinct().count() == 12
        assert context.tables.read(Read("features")).count() == 12
