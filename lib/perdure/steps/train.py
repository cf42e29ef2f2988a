"""Training: the search over families and params, and the winner fitted on every training row.

With `cut` the moment of training: the rows whose event time lies in [cut - window, cut - holdout) and whose label was
available at the cut train; those in [cut - holdout, cut) are the holdout, which nothing here looks at. Inside the
search the last `VALIDATION` of the training rows in time judge what the earlier ones taught.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted
from perdure.core.protocols import JSON, StepResult
from perdure.core.space import Params
from perdure.evaluation import measure, scan
from perdure.features import alone
from perdure.features.times import at, between, micros
from perdure.models import fitted, prepare
from perdure.models.decision import Decided, Decision
from perdure.tuning import Effort, Trial, best, search

from . import _decide, _fair
from ._prepared import SAMPLE_STEPS, Extent, Prepared, prepared

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

VALIDATION = 0.2
# Time is cut into so many parts, of a day at most, to find where the validation rows begin.
PARTS = 200
DAY = 86_400_000_000
Progress = Callable[[Trial], None]


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model, what it was made of, and the rows it must be judged on.

    `columns`: feature name to SQL type. `training` and `holdout`: key, event time, features and `label`, lazy; the
    training rows are cached until `release`."""

    model: PipelineModel
    family: str
    params: Params
    trials: tuple[Trial, ...]
    columns: Mapping[str, str]
    task: str
    rows_trained: int
    since: datetime
    until: datetime
    training: DataFrame
    holdout: DataFrame
    cut: datetime
    decision: Decision | None = None

    @property
    def rows(self) -> DataFrame:
        """The training rows with `label`, `prediction` and `probability` (of class 1; null for regression): what the
        reference profile is made of. Lazy."""
        whole = Decided(self.model, self.decision) if self.decision else self.model
        return fitted.predict(whole, self.training, self.task)

    def release(self) -> None:
        """Drops the cached training rows; they can still be read, anew."""
        self.training.unpersist()


def train(features: DataFrame, labels: DataFrame, *, pipeline: Pipeline, cut: datetime,
          ended: Sequence[Trial] = (), progress: Progress | None = None) -> StepResult:
    """`value`: a TrainedModel. Facts: family, params, loss (of the search), early (the share of the rows that trials
    were run on first, 1: all), rows, since, until, holdout, validation,
    columns, importance, size, trials, prepared (what was made of the columns), alone (how far each feature alone tells
    the label, 0 to 1); with `model.fairness` also mitigation, with `model.decision` decision.

    `features` and `labels`: those tables over [cut - window, cut) at least. `progress` is called with each Trial as it
    ends; `ended` are those that an earlier run of this training has ended, which are not run again. Raises PerdureError
    when there are no rows to train on, a binary label holds one class only or something else than 0 and 1, a key occurs
    twice, or every trial fails. Only `value.training` stays cached, until it is released."""
    since, until = pipeline.train.window.before(cut), pipeline.train.holdout.before(cut)
    known = labels.where(between(pipeline.features.event_time, since, until) & _known(cut))
    training = _labelled(features, known, pipeline, since, until)
    columns = prepare.usable(features.schema, _not_features(pipeline), pipeline.model.prepare.dates)
    extent = _extent(known, pipeline, since, until)
    with prepared(training, list(columns), pipeline, extent) as data:
        trials = _search(data, pipeline, ended, progress)
        winner = best(trials)
        encoding = fitted.family(winner.family, pipeline.model.task).encoding
        last = _fit(data, winner.family, winner.params, pipeline, data.vectors)
        leans = fitted.importance(last, data.preparation.slots(encoding), _vectors(data.vectors, encoding))
        model = fitted.assemble(data.preparation, training, encoding, last)
        fair: dict[str, Any] = {"mitigation": _mitigation(data, winner, pipeline)} if data.weights else {}
        decision, changed = _decision(data, winner, pipeline)
        fair |= {**changed, "alone": _alone(data, pipeline, extent), "prepared": _told(data, features, pipeline),
                 "early": data.share or 1}
    value = TrainedModel(model, winner.family, winner.params, tuple(trials), columns, pipeline.model.task, data.count,
                         since, until, data.rows, holdout(features, labels, pipeline=pipeline, cut=cut), cut, decision)
    return StepResult(facts={**_facts(value, winner, leans, fitted.sizes(last), cut), **fair}, value=value)


def holdout(features: DataFrame, labels: DataFrame, *, pipeline: Pipeline, cut: datetime) -> DataFrame:
    """The rows of [cut - holdout, cut) whose label was available at the cut: key, event time, features, `label`."""
    since = pipeline.train.holdout.before(cut)
    known = labels.where(between(pipeline.features.event_time, since, cut) & _known(cut))
    return _labelled(features, known, pipeline, since, cut)


def _facts(value: TrainedModel, winner: Trial, importance: Mapping[str, float], size: Mapping[str, int],
           cut: datetime) -> dict[str, JSON]:
    return {
        "family": value.family, "params": dict(value.params), "loss": winner.loss, "metrics": dict(winner.metrics),
        "trial": winner.number, "rows": value.rows_trained, "since": value.since.isoformat(),
        "until": value.until.isoformat(), "holdout": {"since": value.until.isoformat(), "until": cut.isoformat()},
        "columns": dict(value.columns), "importance": dict(importance), "size": dict(size),
        "trials": [{**asdict(trial), "params": dict(trial.params)} for trial in value.trials],
    }


def _known(cut: datetime) -> Any:
    from pyspark.sql import functions as F

    return (F.col("available_at") <= at(cut)) & F.col("label").isNotNull()


def _not_features(pipeline: Pipeline) -> list[str]:
    features = pipeline.features
    return [features.key, features.event_time, "label", "available_at", *pipeline.model.exclude]


def _labelled(features: DataFrame, known: DataFrame, pipeline: Pipeline, since: datetime,
              until: datetime) -> DataFrame:
    """Features whose event time lies in [since, until), with their `label`."""
    from pyspark.sql import functions as F

    key, time = pipeline.features.key, pipeline.features.event_time
    own = [F.col(quoted(name)) for name in features.columns if not name.startswith("_")]
    outcome = known.where(between(time, since, until)).select(F.col(quoted(key)), "label")
    return features.select(*own).where(between(time, since, until)).join(outcome, key)


def _extent(known: DataFrame, pipeline: Pipeline, since: datetime, until: datetime) -> Extent:
    """One pass over two columns of the labels: exact, so that the split is the same on every machine."""
    from pyspark.sql import functions as F

    start, width = micros(since), max(1, min(DAY, math.ceil((micros(until) - micros(since)) / PARTS)))
    time = F.unix_micros(F.col(quoted(pipeline.features.event_time)))
    part = F.floor((time - F.lit(start)) / F.lit(width)).cast("int").alias("part")
    counts = {row["part"]: row["count"] for row in known.groupBy(part).count().collect()}
    total, seen = sum(counts.values()), 0
    if not total:
        raise PerdureError(f"training needs rows with labels between {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M} "
                           "(train.window less train.holdout before the cut); there are none. Featurize those "
                           "intervals first, or train later")
    for number in sorted(counts):
        if seen and seen + counts[number] > total * (1 - VALIDATION):
            break
        seen += counts[number]
    else:
        number = number if len(counts) > 1 else number + 1
    return Extent(total, since + timedelta(microseconds=number * width))


def _search(data: Prepared, pipeline: Pipeline, ended: Sequence[Trial], progress: Progress | None) -> list[Trial]:
    from pyspark.sql import functions as F

    task, tune = pipeline.model.task, pipeline.model.tune
    sign = 1.0 if measure.lower_is_better(pipeline.metric, task) else -1.0

    def objective(name: str, params: Params, share: float) -> tuple[float, Mapping[str, float]]:
        _own_pool(data.rows)
        seen = data.search if share == 1 else data.early
        encoding = fitted.family(name, task).encoding
        model = _fit(data, name, params, pipeline, seen.where(~F.col("judging")))
        metrics = _measured(model.transform(_vectors(seen.where("judging"), encoding)), task)
        if pipeline.metric not in metrics:
            raise PerdureError(f"{pipeline.metric} is not defined on the validation rows")
        return sign * metrics[pipeline.metric], metrics

    spaces = {name: fitted.space(name, task, tune.dimensions(name)) for name in pipeline.model.families}
    seconds = tune.time.seconds if tune.time else None
    effort = Effort(tune.trials, tune.parallelism, tune.round, seconds, tune.patience, data.share)
    return search(spaces, objective, effort, seed=pipeline.model.seed, known=ended, progress=progress)


def _own_pool(rows: DataFrame) -> None:
    """Gives this thread's jobs a pool of their own, so that with Spark's fair scheduler trials side by side share the
    cores evenly, however many tasks each has. Over Spark Connect the server has the say."""
    from pyspark.sql.utils import is_remote

    if not is_remote():
        context = rows.sparkSession.sparkContext
        context.setLocalProperty("spark.scheduler.pool", threading.current_thread().name)


def _fit(data: Prepared, name: str, params: Params, pipeline: Pipeline, rows: DataFrame) -> Any:
    task = pipeline.model.task
    weight = _fair.WEIGHT if _fair.WEIGHT in rows.columns else ""
    seed, bins = pipeline.model.seed, data.preparation.bins
    estimator = fitted.estimator(name, params, task, seed=seed, bins=bins, weight=weight)
    return estimator.fit(_vectors(rows, fitted.family(name, task).encoding))


def _vectors(rows: DataFrame, encoding: str) -> DataFrame:
    """What MLlib is given: label, features and, where there are such, weight and group."""
    from pyspark.sql import functions as F

    more = [name for name in (_fair.WEIGHT, _fair.GROUP) if name in rows.columns]
    return rows.select("label", F.col(f"features_{encoding}").alias("features"), *more)


def _mitigation(data: Prepared, winner: Trial, pipeline: Pipeline) -> dict[str, Any]:
    """The winner without and with the weights, learnt and judged on the rows that the search learnt and judged on."""
    rows = _judged(data, winner, pipeline, "_before", weighed=False)
    fit = _half_taught(data, winner, pipeline, weighed=True)
    kept = rows.columns
    rows = fit.transform(rows).select(*kept, fitted.class_one().alias("_after"))
    weights = [{"group": group, "label": label, "weight": weight}
               for (group, label), weight in sorted(data.weights.items())]
    return {**_fair.shown(rows, pipeline), "weights": weights}


def _decision(data: Prepared, winner: Trial, pipeline: Pipeline) -> tuple[Decision | None, dict[str, Any]]:
    """The thresholds that the winner calls for, and what they change."""
    if not _decide.asked(pipeline):
        return None, {}
    return _decide.learnt(_judged(data, winner, pipeline, "p", weighed=True), pipeline)


def _judged(data: Prepared, winner: Trial, pipeline: Pipeline, name: str, *, weighed: bool) -> DataFrame:
    """The rows that the search judged by, with the probability of the winner that the others taught under a name."""
    encoding = fitted.family(winner.family, pipeline.model.task).encoding
    judging = _vectors(data.search.where("judging"), encoding)
    scored: DataFrame = _half_taught(data, winner, pipeline, weighed=weighed).transform(judging)
    return scored.select(*judging.columns, fitted.class_one().alias(name))


def _half_taught(data: Prepared, winner: Trial, pipeline: Pipeline, *, weighed: bool) -> Any:
    """The winner, fitted on the rows that the search learnt from."""
    from pyspark.sql import functions as F

    learning = data.search.where(~F.col("judging"))
    return _fit(data, winner.family, winner.params, pipeline, learning if weighed else _fair.unfair(learning))


def _told(data: Prepared, features: DataFrame, pipeline: Pipeline) -> dict[str, JSON]:
    """What was made of the columns: those of no use, those with gaps, each text's categories; and the label's rows by
    class."""
    found = data.preparation
    unused = prepare.unused(features.schema, _not_features(pipeline), pipeline.model.prepare.dates)
    return {"unused": unused, "gaps": list(found.indicators),
            "categories": {name: len(values) for name, values in found.categories.items()},
            "most_categories": pipeline.model.prepare.categories, "classes": dict(data.classes),
            "imbalance": pipeline.model.prepare.imbalance}


def _alone(data: Prepared, pipeline: Pipeline, extent: Extent) -> dict[str, float]:
    """How far each feature alone tells the label, on a sample by the hash of the key."""
    from pyspark.sql import functions as F

    values, texts = data.preparation.values, data.preparation.categories
    late = F.col(quoted(pipeline.features.event_time)) >= at(extent.split)
    place = F.pmod(F.xxhash64(F.col(quoted(pipeline.features.key)), F.lit("alone")), F.lit(SAMPLE_STEPS))
    share = alone.ROWS / max(1, data.count)
    some = data.rows if share >= 1 else data.rows.where(place < math.ceil(share * SAMPLE_STEPS))
    return alone.alone(some.withColumn("_judging", late), {name: values[name] for name in data.preparation.medians},
                       {name: (values[name], found) for name, found in texts.items()}, task=pipeline.model.task)


def _measured(scored: DataFrame, task: str) -> dict[str, float]:
    from pyspark.sql import functions as F

    rows = scored.select("label", *fitted.outputs(task)).select(
        "label", scan.answer(task).alias("p"), scan.decision(task).alias("d"))
    whole = scan.tally(scan.side_by_side(rows, {"trial": "p"}, (), {"trial": F.col("d")}), task=task)
    return {name: found.value for name, found in measure.measure(whole[0], task).items()} if whole else {}
