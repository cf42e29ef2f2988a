"""The whole life with its executors in other processes: the same rows and predictions as on one machine.

With PERDURE_KILL_EACH=1 a worker is killed in every kind of job; PERDURE_COUNTS=file keeps the counts.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..standalone import Master
from .conftest import ROOT
from .contents import same

pytestmark = [pytest.mark.long, pytest.mark.cluster]
# Small data: what each task costs is what counts.
SMALL = ("--conf", "spark.databricks.delta.snapshotPartitions=2", "--conf", "spark.sql.shuffle.partitions=2")
JOBS = ("ingest", "validate", "featurize", "score", "monitor", "retrain", "train", "evaluate", "deploy")
SOME_JOBS = ("validate", "featurize", "train", "score")


LOOPBACK = ("--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.executor.memory=1g")


# As in `conftest`, less the collector, which the launcher chooses: for drivers, masters, workers and executors.
JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:MetaspaceSize=256m"}


def start(
    master: str, file: Path, *options: str, until: str = "", out: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    return submit(master, *options, "jobs/run.py", str(file), *(["--until", until] if until else []), out=out)


def submit(master: str, *words: str, out: int = subprocess.PIPE) -> subprocess.Popen[str]:
    command = [str(ROOT / "spark-submit.sh"), "--master", master, *SMALL, *words]
    env = {name: value for name, value in os.environ.items() if name not in ("SPARK_HOME", "PYTHONPATH")} | JAVA
    env["TERM"] = "dumb"  # no colours between the words
    return subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def ended(process: subprocess.Popen[str]) -> str:
    told = process.communicate(timeout=1800)[0]
    assert process.returncode == 0, told
    return told


def test_each_job_alone_on_a_standalone_master_with_two_workers(
    spark: Any, lived: Path, fresh: Callable[[], Path], standalone: str
) -> None:
    """Every job of every day by itself gives what `run` gave on one machine; to the first day that a model serves."""
    file = fresh()
    days = ("2016-06-16", "2016-06-17", "2016-06-18")
    ended(submit(standalone, *LOOPBACK, "tests/run/alone.py", str(file), *days))
    same(spark, lived.parents[1], file.parents[1], until=days[-1])


@pytest.mark.slow
def test_workers_killed_while_steps_are_at_work(
    spark: Any, lived: Path, fresh: Callable[[], Path], standalone: Master
) -> None:
    """One of two is killed in the middle of several kinds of step; another one takes its place."""
    file = fresh()
    wanted = JOBS if os.environ.get("PERDURE_KILL_EACH") else SOME_JOBS
    kills, told = live_and_kill(standalone, file, wanted)
    same(spark, lived.parents[1], file.parents[1])
    hit = steps_at(spark, file, kills)
    assert set(hit) >= set(wanted), told
    if place := os.environ.get("PERDURE_COUNTS"):
        Path(place).write_text(json.dumps({"kills": len(kills), "steps hit": hit}))


def live_and_kill(master: Master, file: Path, kinds: Sequence[str]) -> tuple[list[float], str]:
    """Lives on a terminal, where a run says what it begins; kills a worker then, once for each kind of step. A further
    kill waits until a step has ended: Spark gives a query up whose executors are lost time and again, however fast the
    machine is. Gives the moments of the kills and what was said."""
    terminal, other = os.openpty()
    process = start(master, file, *LOOPBACK, out=other)
    os.close(other)
    left, kills, told, calm = set(kinds), [], [], True
    for line in lines(terminal):
        told.append(line)
        calm = calm or " done " in line
        begun = re.search(r"… (\w+)", line)
        if calm and begun and begun[1] in left:
            time.sleep(0.3)  # it is at its queries by then
            kills.append(time.time())
            master.kill_a_worker()
            left.remove(begun[1])
            calm = False
    assert process.wait(60) == 0, "\n".join(told)
    return kills, "\n".join(told)


def lines(terminal: int) -> Iterator[str]:
    """What is written to a terminal, line by line, until nobody has it open any more."""
    rest = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        *whole, rest = re.split(rb"[\r\n]+", rest + piece)
        yield from (line.decode(errors="replace") for line in whole)
    os.close(terminal)


def steps_at(spark: Any, file: Path, moments: list[float]) -> list[str]:
    """The steps that were at work at these moments."""
    rows = spark.read.format("delta").load(str(file.parents[1] / ".data" / "buoy" / "tables" / "runs"))
    spans = rows.selectExpr("step", "unix_micros(to_timestamp(started_at)) / 1e6 AS began", "seconds").collect()
    found = {row["step"] for row in spans for at in moments if row["began"] <= at <= row["began"] + row["seconds"]}
    return sorted(found)


def test_two_runs_at_once(spark: Any, lived: Path, fresh: Callable[[], Path]) -> None:
    """Both end well, and every row, every model version and every decision is there once."""
    file = fresh()
    both = [start("local[2]", file, until="2016-06-18") for _ in range(2)]
    told = [ended(process) for process in both]
    same(spark, lived.parents[1], file.parents[1], until="2016-06-18")
    assert versions(file) == versions(lived)[:1], told


def versions(file: Path) -> list[tuple[str, str]]:
    """The registered versions: (number, training)."""
    with sqlite3.connect(file.parents[1] / ".data" / "mlflow.db") as database:
        query = "SELECT version, value FROM model_version_tags WHERE key = 'perdure.run_id' ORDER BY version"
        found = database.execute(query).fetchall()
        gone = {row[0] for row in database.execute(
            "SELECT version FROM model_versions WHERE current_stage = 'Deleted_Internal'")}  # fmt: skip
    return [(str(version), run) for version, run in found if version not in gone]
