"""Each step's plan over the data: what it reads, what it depends on, and the pure function that it calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.gate import GateResult
from perdure.core.interval import Interval
from perdure.core.protocols import Read, StepResult, Write
from perdure.core.record import JSON

from . import columns
from .champion import Challenger, Champion, challenger_at, champion_at
from .context import Context
from .engine import Inputs, Plan
from .stored import stored
from .usual import with_unusual

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def plain(section: Any) -> JSON:
    """A section of the pipeline file, JSON-ready, as fingerprints take it."""
    return section.model_dump(mode="json", by_alias=True)


def featurize(context: Context, interval: Interval, as_of: datetime | None = None) -> Plan:
    """Validated sources to `features` and `labels`, point-in-time; from what was known at `as_of` (default: the
    interval's end)."""
    pipeline = context.pipeline
    since = pipeline.features.lookback.before(interval.start)
    reads = tuple(
        Read(name, source.event_time, None if source.static else since, None if source.static else interval.end)
        for name, source in pipeline.sources.items()
    )
    config = {
        "features": plain(pipeline.features),
        "label": plain(pipeline.label),
        "sql": pipeline.reads_sql(),
        "sources": {
            name: [source.columns, source.event_time, str(source.available_after)]
            for name, source in pipeline.sources.items()
        },
    }

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.featurize import featurize as step

        return step(inputs, pipeline=pipeline, interval=interval)

    return Plan("featurize", interval, config, call, reads=reads, as_of=as_of)


def leakage(context: Context, interval: Interval) -> Plan:
    """The interval's features again, from what was known at an earlier time: goes with the training at its end."""
    built = featurize(context, interval)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.leakage import leakage as step

        return step(inputs, pipeline=context.pipeline, interval=interval)

    return replace(built, step="leakage", call=call)


def _model_config(pipeline: Pipeline) -> dict[str, JSON]:
    model = plain(pipeline.model)
    model["tune"].pop("parallelism")
    return {"model": model, "key": pipeline.features.key, "event_time": pipeline.features.event_time}


def _rows(pipeline: Pipeline, since: datetime, until: datetime) -> tuple[Read, Read]:
    time = pipeline.features.event_time
    return Read("features", time, since, until), Read("labels", time, since, until)


def train(context: Context, interval: Interval) -> Plan:
    """A model from what was known at the interval's end, registered in MLflow, its reference profile stored."""
    from .training import Trials, finish_training

    pipeline, cut = context.pipeline, interval.end
    kept: dict[str, Trials] = {}

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.train import train as step

        trials = kept[run_id] = Trials(context, interval, run_id)
        features = inputs["features"]
        gone = columns.gone(context.ledger, interval, features.columns)
        if gone:
            context.progress.say(f"          left out: {interval} has no {', '.join(gone)} among its features any more")
        with trials.search:
            result = step(
                features.drop(*gone), inputs["labels"], pipeline=pipeline, cut=cut, ended=trials.ended, progress=trials
            )
        return replace(result, facts={**result.facts, "left_out": gone}) if gone else result

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        try:
            return finish_training(context, interval, result, run_id, kept[run_id].search)
        finally:
            result.value.release()

    # Not all of `monitor`: a rate of false alarms makes no other model.
    config = {**_model_config(pipeline), "train": plain(pipeline.train), "slices": list(pipeline.monitor.slices)}
    config |= {"multivariate": True} if pipeline.monitor.multivariate else {}
    config |= {"domain_classifier": True} if pipeline.monitor.domain_classifier else {}
    return Plan(
        "train",
        interval,
        config,
        call,
        reads=_rows(pipeline, pipeline.train.window.before(cut), cut),
        finish=finish,
    )


def evaluate(context: Context, interval: Interval, trained: Any, champion: Champion | None) -> Plan:
    """The candidate that was trained at the interval's end, and the champion, on the same later holdout."""
    pipeline, cut = context.pipeline, interval.end
    checked = context.ledger.latest("leakage", interval=interval.label)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.policy.leakage import lines as leaks
        from perdure.steps.evaluate import evaluate as step
        from perdure.steps.train import holdout

        from .serving import scorer

        result = step(
            holdout(inputs["features"], inputs["labels"], pipeline=pipeline, cut=cut),
            pipeline=pipeline,
            candidate=scorer(context, trained.facts)[0],
            champion=scorer(context, champion.train.facts)[0] if champion else None,
        )
        lines = result.gate.lines if result.gate else ()
        more = leaks(pipeline.gate, trained.facts.get("alone") or {}, checked.facts if checked else None)
        return replace(result, gate=GateResult("model", (*lines, *more)))

    gate = plain(pipeline.gate)
    for later in ("environment", "environment_rules", "approval"):
        gate.pop(later)
    config = {**_model_config(pipeline), "gate": gate, "holdout": str(pipeline.train.holdout)}
    identity = [trained.run_id, champion.train.run_id if champion else None, checked.run_id if checked else None]
    return Plan(
        "evaluate",
        interval,
        config,
        call,
        identity=identity,
        reads=_rows(pipeline, pipeline.train.holdout.before(cut), cut),
    )


def score(context: Context, interval: Interval, champion: Champion, challenger: Challenger | None = None) -> Plan:
    """The interval's rows scored by the version that served then, and by the one that was being rolled out, into the
    predictions log. Only in an environment that they are blessed for."""
    pipeline = context.pipeline
    whole = (champion,) if challenger is None else (champion, challenger)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.score import Scorer
        from perdure.steps.score import score as step

        from .blessing import require
        from .serving import scorer

        more: dict[str, JSON] = {}
        scorers = []
        for each in whole:
            columns.require(context, each, interval)
            more |= require(context, each.train, interval)
            model, form = scorer(context, each.train.facts)
            scorers.append(Scorer(model, each.version, each.share if isinstance(each, Challenger) else 0))
            more.setdefault("scored_by", form)
        result = step(inputs["features"], champion=scorers[0], challenger=(*scorers[1:], None)[0], pipeline=pipeline)
        return replace(result, facts={**result.facts, **more})

    wish = Read("features", pipeline.features.event_time, interval.start, interval.end)
    identity = [champion.train.run_id, [challenger.train.run_id, challenger.share] if challenger else None]
    return Plan("score", interval, _model_config(pipeline), call, reads=(wish,), identity=identity)


def explain(context: Context, interval: Interval, champion: Champion, top: int) -> Plan:
    """The reasons for an interval's predictions, by the version that served then, into `reasons`."""
    pipeline = context.pipeline

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.explain import explain as step

        from .explaining import explainer_of

        model = context.tracking.load(champion.version)
        told = explainer_of(context, champion.version, champion.train.facts.get("explanation"))
        return step(inputs["features"], model=model, explainer=told, version=champion.version, top=top,
                    pipeline=pipeline)  # fmt: skip

    wish = Read("features", pipeline.features.event_time, interval.start, interval.end)
    config = {**_model_config(pipeline), "reasons": top}
    return Plan("explain", interval, config, call, reads=(wish,), identity=champion.train.run_id)


def performance(context: Context, interval: Interval, known_at: Interval) -> Plan:
    """Expected performance of an interval's predictions, and realised by the labels known at the end of `known_at`."""
    pipeline = context.pipeline
    features, labels = _rows(pipeline, interval.start, interval.end)
    models = [each(context.ledger, interval.start) for each in (champion_at, challenger_at)]
    known = [model for model in models if model is not None]
    estimators = {model.version: model.evaluate.facts.get("estimator") for model in known}

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.performance import performance as step

        return step(
            inputs["predictions"],
            inputs["labels"],
            inputs["features"],
            pipeline=pipeline,
            interval=interval,
            known_at=known_at.end,
            estimators=estimators,
        )

    worth = pipeline.monitor.business_value
    watched = {"slices": list(pipeline.monitor.slices), "business_value": plain(worth) if worth else None}
    config = {**_model_config(pipeline), "monitor": watched}
    wish = Read("predictions", pipeline.features.event_time, interval.start, interval.end)
    return Plan(
        "performance",
        interval,
        config,
        call,
        subject=f"known at {known_at.end:%Y-%m-%dT%H:%M}",
        reads=(wish, labels, features),
        latest_only=("predictions",),
        identity=[known_at.end, *(model.evaluate.run_id for model in known)],
        as_of=known_at.end,
    )


def _sample(context: Context, champion: Champion) -> DataFrame | None:
    """The rows that its training kept of its reference, where it did and they are wanted."""
    from pyspark.sql import functions as F

    if not context.pipeline.monitor.domain_classifier or "domain" not in champion.train.facts:
        return None
    return context.tables.read(Read("reference_samples")).where(F.col("_run_id") == champion.train.run_id)


def monitor(context: Context, interval: Interval, champion: Champion) -> Plan:
    """Profiles of the interval's features, predictions and labels, and their drift from the champion's reference."""
    pipeline = context.pipeline
    previous = context.ledger.latest("monitor", interval=interval.previous.label)
    features, labels = _rows(pipeline, interval.start, interval.end)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from pyspark.sql import functions as F

        from perdure.steps import monitor as step

        # All of the champion's, those too for which a challenger served; and none of the challenger's.
        predictions = inputs["predictions"].where(F.col("model_version") == champion.version).drop("role")
        more = {}
        if pipeline.monitor.attributions:
            from .explaining import attributions

            more = attributions(context, champion.version, champion.train.facts.get("explanation"), inputs["features"])
        result = step.monitor(
            inputs["features"],
            predictions,
            inputs["labels"],
            reference=step.read_profiles(context.tables.read(Read("profiles")), champion.train.run_id),
            previous=step.read_profiles(context.tables.read(Read("profiles")), previous.run_id) if previous else None,
            swings=champion.train.facts.get("swings"),
            stored=stored(context, features),
            weights=champion.weights,
            known_errors=champion.train.facts.get("reconstruction") or (),
            sample=_sample(context, champion),
            known_areas=champion.train.facts.get("domain") or (),
            pipeline=pipeline,
            interval=interval,
        )
        return replace(result, facts={**result.facts, **more})

    config = {**_model_config(pipeline), "monitor": plain(pipeline.monitor)}
    wish = Read("predictions", pipeline.features.event_time, interval.start, interval.end)
    identity = [champion.train.run_id, previous.run_id if previous else None]
    return Plan(
        "monitor",
        interval,
        config,
        call,
        identity=identity,
        reads=(features, wish, labels),
        latest_only=("predictions",),
        finish=lambda result, _: with_unusual(context, "monitor", "", interval, result),
    )
