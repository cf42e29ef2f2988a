"""Trains a version again from what its record names, and compares the predictions on its holdout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from perdure.core.config import Model, Pipeline, Train
from perdure.core.errors import PerdureError
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.core.record import RunRecord, fingerprint
from perdure.models import fitted
from perdure.steps.train import train

from . import plans
from .context import Context, code_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Predictions are sums of floating-point numbers, whose order is not Spark's promise.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Comparison:
    """How far two models' predictions are apart on the same rows."""

    rows: int
    different: int
    largest: float


def reproduce(context: Context, version: str, *, as_json: bool = False) -> bool:
    """Whether the version, trained again, predicts the same on its holdout (within 1e-9). Says what differed."""
    record = _training_of(context, version)
    differences = _differences(context, record)
    interval = Interval.parse(record.interval, context.pipeline.interval)
    context.pipeline = _as_recorded(context.pipeline, record)
    inputs = _pinned(context, record, plans.train(context, interval).reads)
    context.progress.say(f"training v{version} again: {record.interval}, run {record.run_id[:12]}")
    progress = context.progress.search(context.pipeline.model.tune.trials)
    trained = train(
        inputs["features"], inputs["labels"], pipeline=context.pipeline, cut=interval.end, progress=progress
    ).value
    trained.release()
    stored = context.tracking.load(version)
    found = _compare(context, trained.model, stored, trained.holdout)
    equal = found.rows > 0 and found.different == 0
    result = {
        "model_version": version,
        "equal": equal,
        "rows": found.rows,
        "different": found.different,
        "largest_difference": found.largest,
        "environment_differences": differences,
    }
    if as_json:
        click.echo(json.dumps(result))
        return equal
    verdict = "equal" if equal else "NOT equal"
    click.echo(
        f"v{version}: predictions on {found.rows:,} holdout rows are {verdict}: {found.different:,} differ by more "
        f"than {TOLERANCE:g}, the largest difference is {found.largest:.3g}"
    )
    for line in differences:
        click.echo(f"  differs from the recorded run: {line}")
    return equal


def _training_of(context: Context, version: str) -> RunRecord:
    run_id = context.tracking.describe(version).get("perdure.run_id", "")
    record = context.ledger.get(run_id)
    if record is None:
        raise PerdureError(
            f"model version {version} names run {run_id[:12] or '(none)'}, which the ledger doesn't have"
        )
    return record


def _as_recorded(pipeline: Pipeline, record: RunRecord) -> Pipeline:
    """The pipeline with the model and train sections that the training had, as many trials as it ran, and the share of
    the rows that it ran them on: where a time budget ended its search, it is not the clock that decides again."""
    model = Model.model_validate(record.config["model"])
    ran = {"trials": len(record.facts["trials"]), "early": record.facts.get("early", model.tune.early or 1)}
    tune = model.tune.model_copy(update={**ran, "time": None})
    return pipeline.model_copy(
        update={
            "model": model.model_copy(update={"tune": tune}),
            "train": Train.model_validate(record.config["train"]),
        }
    )


def _pinned(context: Context, record: RunRecord, reads: tuple[Read, ...]) -> Mapping[str, DataFrame]:
    """The training's tables at their recorded versions. Raises PerdureError when one is gone (vacuumed)."""
    versions = {table.table: table.version for table in record.inputs}
    return {wish.table: context.tables.read(wish, versions[wish.table]) for wish in reads}


def _differences(context: Context, record: RunRecord) -> list[str]:
    """What of code, configuration and environment isn't as it was."""
    found = []
    if record.code_version != code_version():
        found.append(f"the library's code: {record.code_version} then, {code_version()} now")
    interval = Interval.parse(record.interval, context.pipeline.interval)
    now = fingerprint(plans.train(context, interval).config)
    if record.config_fingerprint != now:
        found.append("the pipeline file's model or train section; trained with the recorded one")
    environment = context.environment
    for name, value in record.environment.items():
        if environment.get(name) != value:
            found.append(f"{name}: {value} then, {environment.get(name, 'not there')} now")
    return found


def _compare(context: Context, again: Any, stored: Any, rows: DataFrame) -> Comparison:
    from pyspark.sql import functions as F

    key = context.pipeline.features.key
    task = context.pipeline.model.task
    answer = "prediction" if task == "regression" else "probability"

    def scored(model: Any, name: str) -> DataFrame:
        return fitted.predict(model, rows, task).select(key, F.col(answer).alias(name))

    both = scored(again, "again").join(scored(stored, "stored"), key)
    gap = F.abs(F.col("again") - F.col("stored"))
    row = both.agg(
        F.count("*").alias("rows"),
        F.count_if(gap > TOLERANCE).alias("different"),
        F.max(gap).alias("largest"),
    ).first()
    assert row is not None, "an aggregate always gives one row"
    return Comparison(int(row["rows"]), int(row["different"]), float(row["largest"] or 0.0))
