"""Staying: intervals are lived as they become ready, files are waited for, and stopping loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core import pipeline_file
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.run.context import Context
from perdure.run.flow import Session
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


def test_a_round_that_is_stopped_is_told_too(
        spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C or SIGTERM in the middle of the second of two days: what was done by then, and nothing again."""
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    file = project(tmp_path, "1 day", start, start + timedelta(days=2))
    for day in range(2):
        land(tmp_path, f"2024-01-0{day + 1}", start + timedelta(days=day))
    told: list[Session] = []

    def rounds() -> None:
        with Context(pipeline_file.load(str(file)), spark, Said(), str(file)) as context:
            told.extend(follow(context, lambda _: None, lambda: start + timedelta(days=9), told.append))

    score = Session.score

    def interrupted(session: Session, interval: Interval) -> Any:
        if interval.label == "2024-01-02":
            raise KeyboardInterrupt
        return score(session, interval)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "score", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rounds()
    assert [decided(session) for session in told] == [["2024-01-01"]]
    rounds()
    assert [decided(session) for session in told] == [["2024-01-01"], ["2024-01-02"]]


def decided(session: Session) -> list[str]:
    return [record.interval for record in session.tally.done if record.step == "retrain"]


@pytest.mark.long
def test_minutes_as_a_service(spark: SparkSession, tmp_path: Path) -> None:
    """Told to stop while it waits for the third minute's file, and started again: every row is there once, and it ends
    by itself. The first three minutes are over when it begins, so that it hardly waits for the clock."""
    start = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(minutes=3)
    minutes = [start + timedelta(minutes=number) for number in range(4)]
    file = project(tmp_path, "1 minute", start, minutes[-1] + timedelta(minutes=1))
    command = [sys.executable, str(ROOT / "jobs" / "run.py"), str(file), "--follow", "--json"]

    def landed(some: Sequence[datetime]) -> None:
        for at in some:
            land(tmp_path, f"{at:%Y-%m-%dT%H-%M}", at)

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    landed(minutes[:2])
    first = begin()
    assert first.stdout is not None
    told = [json.loads(first.stdout.readline())]  # both: the round ended where the third minute's file should be
    first.send_signal(signal.SIGTERM)
    rest, errors = first.communicate(timeout=300)
    assert first.returncode == 130, errors
    assert "the same command goes on from here" in errors
    assert rest == "", "nothing could be done between the round's end and the stop"
    landed(minutes[2:])
    second = begin()
    more, errors = second.communicate(timeout=600)
    assert second.returncode == 0, errors
    told += [json.loads(line) for line in more.splitlines()]
    lived: list[Any] = [run["interval"] for one in told for run in one["runs"] if run["step"] == "retrain"]
    assert lived == [f"{at:%Y-%m-%dT%H:%M}" for at in minutes]
    with Context(pipeline_file.load(str(file)), spark, Progress(silent=True), str(file)) as context:
        stored = [record.interval for record in context.ledger.records if record.step == "retrain"]
        assert stored == lived
        assert context.tables.read(Read("features")).select("id").distinct().count() == 12
        assert context.tables.read(Read("features")).count() == 12
