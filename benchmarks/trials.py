"""Twenty trials on millions of flights: Hyperopt with MLlib as its documentation has it, and ours, one by one and two
at a time. `benchmarks/models.py --part trials` runs it.

The naive way is that of Hyperopt's (and Databricks') pages on MLlib: the training rows cached, an objective that fits
the whole Pipeline (indexing, encoding, assembling, model) and measures it on the validation rows with MLlib's
evaluator, `fmin` over TPE with its own `Trials`. Ours is the search of the train step. Both see the same rows, the same
families and the same spaces, and split off the last fifth in time; their TPEs draw different points. Ours is measured
as it comes, one trial at a time and two, and with every trial on all rows (`early: 1`). It reports twice: all of the
train step (check, preparation, search, the winner fitted on every row, importance), and the search.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.models import fitted
from perdure.steps.train import train
from perdure.tuning.search import _space
from rounds import Measured, once

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NUMBERS = ("month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance")
TEXTS = ("carrier", "origin", "dest")
CUT = datetime(2014, 1, 2, tzinfo=timezone.utc)
SEED = 42


def pipeline(families: tuple[str, ...], trials: int, parallelism: int, early: float | None = None) -> Pipeline:
    """The pipeline file that ours reads."""
    tune = {"trials": trials, "parallelism": parallelism, **({"early": early} if early else {})}
    return Pipeline.model_validate({
        "pipeline": "trials", "targets": {"local": {"storage": "x", "tracking": "y"}}, "interval": "1 year",
        "start": "2013-01", "sources": {"s": {"format": "csv", "path": "x", "schema": {"flight_id": "string"}}},
        "features": {"sql": "x", "key": "flight_id", "event_time": "scheduled_at"},
        "label": {"column": "late", "from": "s"}, "train": {"window": "13 months", "holdout": "1 day"},
        "model": {"task": "binary", "families": list(families), "tune": tune, "seed": SEED},
    })  # fmt: skip


def naive(rows: DataFrame, families: tuple[str, ...], trials: int) -> dict[str, float]:
    """The best loss of the documentation's way."""
    import numpy as np
    from hyperopt import STATUS_OK, Trials, fmin, hp, tpe
    from pyspark.ml import Pipeline as Stages
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
    from pyspark.sql import functions as F

    (split,) = rows.selectExpr("percentile_approx(unix_micros(scheduled_at), 0.8, 10000)").collect()[0]
    timed = rows.withColumn("micros", F.unix_micros("scheduled_at"))
    learning, judging = timed.where(F.col("micros") < split).cache(), timed.where(F.col("micros") >= split).cache()

    def stages(family: str) -> list[Any]:
        index = StringIndexer(inputCols=list(TEXTS), outputCols=[f"{name}_i" for name in TEXTS], handleInvalid="keep")
        encode = OneHotEncoder(inputCols=index.getOutputCols(), outputCols=[f"{name}_o" for name in TEXTS])
        onehot = fitted.family(family, "binary").encoding == "onehot"
        inputs = [*NUMBERS, *(encode if onehot else index).getOutputCols()]
        return [index, *([encode] if onehot else []), VectorAssembler(inputCols=inputs, outputCol="features")]

    def objective(point: Mapping[str, Any]) -> dict[str, Any]:
        family = point["family"]
        whole = {"maxIter", "maxDepth", "minInstancesPerNode"}  # hyperopt draws them as floats
        params = {name: int(value) if name in whole else value for name, value in point["params"].items()}
        model = fitted.estimator(family, params, "binary", seed=SEED, bins=128)
        done = Stages(stages=[*stages(family), model]).fit(learning)
        loss = MulticlassClassificationEvaluator(metricName="logLoss").evaluate(done.transform(judging))
        return {"loss": loss, "status": STATUS_OK}

    space = hp.choice("family", [{"family": name, "params": dict(_space(name, fitted.family(name, "binary").space))}
                                 for name in families])
    found = Trials()
    fmin(objective, space, algo=tpe.suggest, max_evals=trials, trials=found, rstate=np.random.default_rng(SEED),
         show_progressbar=False, verbose=False)
    for cached in (learning, judging):
        cached.unpersist()
    return {"loss": min(found.losses())}


def ours(rows: DataFrame, wanted: Pipeline) -> dict[str, float]:
    """The best loss of the train step, and the seconds of its search."""
    features = rows.select("flight_id", "scheduled_at", *NUMBERS, *TEXTS)
    labels = rows.selectExpr("flight_id", "scheduled_at", "label", "scheduled_at AS available_at")
    done = train(features, labels, pipeline=wanted, cut=CUT)
    done.value.release()
    trials = done.value.trials
    return {"loss": float(done.facts["loss"]), "search": max(trial.ended for trial in trials),
            "on all rows": sum(trial.status == "ok" for trial in trials)}


def run(table: DataFrame, families: tuple[str, ...], trials: int, only: Sequence[str] = ()) -> None:
    """Every way once (or `only` these), after a trial of each that warms up; prints losses, times and ratios."""
    rows = table.where("arr_delay IS NOT NULL").selectExpr(
        "flight_id", "scheduled_at", *NUMBERS, *TEXTS, "double(arr_delay >= 15) AS label")
    ways: dict[str, Callable[[int], dict[str, float]]] = {
        "naive Hyperopt": lambda n: naive(rows, families, n),
        "ours, one by one": lambda n: ours(rows, pipeline(families, n, 1)),
        "ours, in parallel": lambda n: ours(rows, pipeline(families, n, 2)),
        "ours, all on all": lambda n: ours(rows, pipeline(families, n, 2, 1)),
    }
    sys.stdout.write(f"{', '.join(families)}: {trials} trials, load {os.getloadavg()[0]:.1f}\n")
    walls = {}
    for name, way in ways.items():
        if only and name not in only:
            continue
        if name != "ours, in parallel":
            way(1)
        found = once(rows.sparkSession, lambda way=way: way(trials), spent := Measured())
        walls[name] = spent.wall
        more = "".join(f"  {key} {value:.1f}" for key, value in found.items() if key != "loss" and value)
        sys.stdout.write(f"  {name:18}{spent.wall:9.1f} s {spent.cpu:9.1f} CPU s {spent.jobs:6} jobs  "
                         f"best loss {found['loss']:.5f}{more}\n")
    theirs = walls.pop("naive Hyperopt", None)
    for name, wall in walls.items() if theirs else ():
        sys.stdout.write(f"  {name}: {theirs / wall:.2f} times as fast as naive Hyperopt\n")
