"""What every step costs as rows grow: seconds, processor time, memory, Spark jobs, bytes read and shuffled, files.

    PYTHONPATH=lib python benchmarks/scale.py [--rows 100000 1000000] [--learnt N] [--columns 8] [--cores 2]
        [--json FILE]

An interval of that many rows (made up: numbers, two categories, a label that follows from them) lives its life: three
days are ingested and validated against a suite, featurized, a model is trained on two of them, and the third is scored
and monitored. `--learnt`: the two days of the training have at most so many rows each, so that a day of a hundred
million can be measured without hours of training; train, evaluate and deploy are theirs. Each size runs in a process of
its own. Prints a table a size, and at the end what each step costs for each million rows between the smallest and the
largest size. Memory is the driver's: Python's, and Java's heap after a collection at the step's end, which is what a
driver that held rows would show. Processor seconds are the machine's, so nothing else should run on it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.core import pipeline_file
from perdure.core.interval import Interval
from perdure.io import session
from perdure.run.context import Context
from perdure.run.flow import Session
from perdure.run.progress import Progress
from rounds import cpu_seconds

PIPELINE = """
pipeline: scale
targets: {{local: {{storage: .data/scale, tracking: "sqlite:///.data/mlflow.db", default: true}}}}
interval: 1 day
start: 2024-01-01
end: 2024-01-04
sources:
  events:
    format: parquet
    path: landing/{{interval}}
    schema: {{id: bigint, at: timestamp, {numbers}, shop: string, kind: string, y: double}}
    key: [id]
    event_time: at
    expectations: suite.json
features: {{sql: features.sql, key: id, event_time: at}}
label: {{column: y, from: events}}
model: {{task: binary, families: [logistic_regression], tune: {{trials: 1, parallelism: 1, sample: 0.1}}}}
train: {{window: 2 days, holdout: 12 hours}}
gate: {{thresholds: {{log_loss: 5}}}}
monitor: {{slices: [kind]}}
retrain: {{when: always}}
"""
STEPS = ("ingest", "validate", "featurize", "train", "evaluate", "deploy", "score", "monitor", "decide")
SHOWN = ("seconds", "cpu", "jobs", "read_mb", "shuffled_mb", "files", "python_mb", "heap_mb")


def main() -> None:
    """Measures each size, prints, and writes the figures where asked."""
    given = _arguments()
    if given.one:
        print(json.dumps(measure(given.one, given.learnt, given.columns, given.cores)))
        return
    found = {}
    for rows in given.rows:
        learnt = min(rows, given.learnt or rows)
        size = ["--columns", str(given.columns), "--cores", str(given.cores), "--learnt", str(learnt)]
        command = [sys.executable, __file__, "--one", str(rows), *size]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[rows] = json.loads(done.stdout.splitlines()[-1])
        print(f"\n{rows:,} rows an interval (trained on two of {learnt:,}), {given.columns + 5} columns, "
              f"{given.cores} cores")
        print(f"{'step':10}" + "".join(f"{name:>13}" for name in SHOWN))
        for step, figures in found[rows].items():
            print(f"{step:10}" + "".join(f"{figures[name]:13,.1f}" for name in SHOWN))
    if len(found) > 1:
        _growth(found)
    if given.json:
        given.json.write_text(json.dumps({"cores": given.cores, "columns": given.columns, "rows": found}, indent=1))


def _growth(found: dict[int, dict[str, dict[str, float]]]) -> None:
    small, large = min(found), max(found)
    print(f"\nfrom {small:,} to {large:,} rows: seconds for each million rows more; jobs and heap as they grew")
    for step, after in found[large].items():
        before = found[small][step]
        millions = (large - small) / 1e6
        each = {name: (after[name] - before[name]) / millions for name in ("seconds", "cpu")}
        print(f"{step:10} {each['seconds']:8.2f} s {each['cpu']:8.2f} cpu-s"
              f"   jobs {before['jobs']:.0f} -> {after['jobs']:.0f}"
              f"   heap {before['heap_mb']:.0f} -> {after['heap_mb']:.0f} MB")


def measure(rows: int, learnt: int, columns: int, cores: int) -> dict[str, dict[str, float]]:
    """Each step's figures, with this many rows an interval, but `learnt` in the first two."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        spark = session.get("scale", f"local[{cores}]", {"spark.driver.memory": "6g", "spark.local.dir": name})
        file = _project(folder, columns)
        for day, size in ((1, learnt), (2, learnt), (3, rows)):
            _land(spark, folder / "landing" / f"2024-01-0{day}", day, size, columns)
        found: dict[str, dict[str, float]] = {}
        with Context(pipeline_file.load(str(file)), spark, Progress(silent=True), str(file)) as context:
            work = Session(context)
            days = [Interval.parse(f"2024-01-0{day}", context.pipeline.interval) for day in (1, 2, 3)]
            for day in days[:2]:
                for step in STEPS[:3]:
                    getattr(work, step)(day)
            for step in ("train", "evaluate", "deploy"):
                found[step] = _measured(spark, context, lambda step=step: getattr(work, step)(days[1]))
            for step in ("ingest", "validate", "featurize", "score", "monitor", "decide"):
                found[step] = _measured(spark, context, lambda step=step: getattr(work, step)(days[2]))
        spark.stop()
        return {step: found[step] for step in STEPS}


def _measured(spark: Any, context: Context, work: Callable[[], Any]) -> dict[str, float]:
    before, files, began = _counters(spark), _files(context), time.monotonic()
    work()
    seconds, after = time.monotonic() - began, _counters(spark)
    runtime = spark._jvm.java.lang.Runtime.getRuntime()
    spark._jvm.java.lang.System.gc()
    heap = (runtime.totalMemory() - runtime.freeMemory()) / 1e6
    return {"seconds": seconds, **{name: after[name] - before[name] for name in before},
            "files": _files(context) - files,
            "python_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, "heap_mb": heap}


def _counters(spark: Any) -> dict[str, float]:
    """Totals so far: processor seconds of the whole machine, Spark's jobs and bytes."""
    scheduler = spark.sparkContext._jsc.sc().dagScheduler()
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    totals = [executors.apply(number) for number in range(executors.size())]
    return {"cpu": cpu_seconds(), "jobs": float(scheduler.numTotalJobs()),
            "read_mb": sum(each.totalInputBytes() for each in totals) / 1e6,
            "shuffled_mb": sum(each.totalShuffleWrite() for each in totals) / 1e6}


def _files(context: Context) -> int:
    return sum(1 for _ in Path(context.tables.where("x")).parent.glob("*/**/*.parquet"))


def _project(folder: Path, columns: int) -> Path:
    numbers = [f"n{number}" for number in range(columns)]
    rules = [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}} for name in ("id", "at", "y")]
    bounds = {"min_value": -50, "max_value": 50}
    rules += [{"type": "expect_column_values_to_be_between", "kwargs": {"column": name, **bounds}} for name in numbers]
    rules += [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "kind", "value_set": list("abcd")}}]
    (folder / "setup.cfg").touch()
    (folder / "suite.json").write_text(json.dumps({"name": "events", "expectations": rules}))
    (folder / "features.sql").write_text(f"SELECT id, at, {', '.join(numbers)}, shop, kind FROM events")
    file = folder / "scale.yml"
    file.write_text(PIPELINE.format(numbers=", ".join(f"{name}: double" for name in numbers)))
    return file


def _land(spark: Any, path: Path, day: int, rows: int, columns: int) -> None:
    """A day's rows, made up the same every time."""
    numbers = [f"randn({seed + 1}) AS n{seed}" for seed in range(columns)]
    frame = spark.range(rows).selectExpr(
        f"id + {day} * 1000000000000 AS id",
        f"timestamp'2024-01-0{day} 00:00:00' + make_dt_interval(0, 0, 0, id * 86399.0 / {rows}) AS at", *numbers,
        "concat('s', CAST(pow(rand(99), 3) * 500 AS INT)) AS shop",
        "element_at(array('a', 'b', 'c', 'd'), 1 + CAST(rand(98) * 4 AS INT)) AS kind",
    ).selectExpr("*", "CAST(n0 + n1 + IF(kind = 'a', 1, 0) + randn(97) > 0.5 AS DOUBLE) AS y")
    frame.write.parquet(str(path))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--learnt", type=int)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
