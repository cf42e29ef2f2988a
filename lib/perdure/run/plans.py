"""Each step's plan over the data: what it reads, what it depends on, and the pure function that it calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.config import Pipeline, Source
from perdure.core.errors import PerdureError, SourceError
from perdure.core.interval import Interval
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.protocols import Read, StepResult, Write
from perdure.core.record import JSON, FileVersion, fingerprint
from perdure.sources import _files
from perdure.sources._drift import Change

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


def holds_all_times(source: Source) -> bool:
    """Whether one file (or pattern) of this source holds more than one interval."""
    return "{interval}" not in source.path and not by_interval(source)


def by_interval(source: Source) -> bool:
    """Whether a run reads its interval's rows of a table."""
    return not source.static and getattr(registry.load("perdure.sources", source.format), "BY_INTERVAL", False)


def ingest(context: Context, name: str, interval: Interval) -> Plan:
    """Raw files to `raw_<source>`. Raises SourceError when the interval's files aren't there."""
    source = context.pipeline.sources[name]
    files = _landed(context, name, interval)

    def unchanged() -> None:
        if _landed(context, name, interval) != files:
            raise SourceError(f"source '{name}' of {interval} changed while it was read; the same command starts anew")

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.ingest import ingest as step

        reader = registry.load("perdure.sources", source.format)
        changes: list[Change] = []
        parsed = reader.read(context.spark, [file.path for file in files], source, changes)
        facts = {"schema_changes": [change.to_dict() for change in changes]} if changes else {}
        return replace(step(parsed, source=name, config=source), facts=facts)

    config = plain(source)
    for later in ("expectations", "on_failure", "key", "available_after"):
        config.pop(later)
    return Plan(
        "ingest",
        interval,
        config,
        call,
        subject=name,
        files=tuple(files),
        static=holds_all_times(source),
        confirm=unchanged,
    )


def _landed(context: Context, name: str, interval: Interval) -> list[FileVersion]:
    """What an interval's run reads of a source, as it is now. Raises SourceError when its files aren't there."""
    source = context.pipeline.sources[name]
    reader = registry.load("perdure.sources", source.format)
    path = resolve_secrets(source.path.replace("{interval}", interval.label))
    location = context.pipeline.location(path) if getattr(reader, "IS_PATH", True) and "/" in path else path
    if hasattr(reader, "inputs"):
        first, span = interval.start <= context.pipeline.start, interval if by_interval(source) else None
        found: list[FileVersion] = reader.inputs(context.spark, location, source, span, first=first)
        return found
    location = context.pipeline.location(path)
    files = _files.list_files(context.spark, location)
    if not files:
        raise SourceError(f"source '{name}' has no file for {interval} yet: expected {location}")
    return files


def validate(context: Context, name: str, interval: Interval) -> Plan:
    """`raw_<source>` to `<source>` and `<source>_quarantine`, judged by its suite."""
    source = context.pipeline.sources[name]
    file = context.pipeline.suite_file(name)
    suite = json.loads(file.read_text(encoding="utf-8")) if file else None
    wish = Read(f"raw_{name}", None, interval.start, interval.end)
    back = Read(f"{name}_replayed", None, interval.start, interval.end, optional=True)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.replay import mended
        from perdure.steps.validate import validate as step

        raw = inputs[f"raw_{name}"]
        if back.table in inputs:
            raw = mended(raw, _of_interval(inputs[back.table], source, interval), source)
        if holds_all_times(source) and not source.static:
            raw = _only(raw, source, interval, first=interval.start <= context.pipeline.start)
        result = step(raw, source=name, config=source, suite=suite, interval=interval, run_id=run_id)
        _require_all(context, wish, source, result)
        return result

    return Plan(
        "validate",
        interval,
        {"source": plain(source), "suite": suite},
        call,
        subject=name,
        reads=(wish, back),
        latest_only=(f"raw_{name}",),
        static=source.static,
        finish=None if source.static else lambda result, _: with_unusual(context, "validate", name, interval, result),
    )


def replay(context: Context, name: str, interval: Interval, edits: Edits | None) -> Plan:
    """Quarantined rows of an interval noted for their way back, with the values of `edits` where given."""
    pipeline = context.pipeline
    source, suite = pipeline.sources[name], pipeline.suite_file(name)
    label = "static" if source.static else interval.label
    judged = context.ledger.latest("validate", subject=name, interval=label)
    before = context.ledger.latest("replay", subject=name, interval=label)
    if judged is None:
        raise PerdureError(f"{name} of {interval} was never validated, so it has no quarantined rows")
    facts: dict[str, JSON] = {
        "turn": before.facts["turn"] + 1 if before else 0,
        "edits": edits.fingerprint if edits else None,
        "suite": fingerprint(json.loads(suite.read_text(encoding="utf-8"))) if suite else None,
        "validate_run": judged.run_id,
    }

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.replay import replay as step

        table = f"{name}_quarantine"
        version = next(output.version for output in judged.outputs if output.table == table)
        rows = _of_interval(context.tables.read(Read(table), version), source, interval)
        result = step(rows, edits.rows if edits else None, source=name, config=source, turn=facts["turn"])
        return replace(result, facts=facts)

    identity = {**facts, "before": before.run_id if before else None}
    return Plan("replay", interval, plain(source), call, subject=name, identity=identity, static=source.static)


@dataclass(frozen=True)
class Edits:
    """Edited quarantined rows of one interval: `_id` and the declared columns; `fingerprint` is their file's."""

    rows: DataFrame
    fingerprint: str


def _of_interval(rows: DataFrame, source: Source, interval: Interval) -> DataFrame:
    """The rows of a table that a run over this interval wrote."""
    from pyspark.sql import functions as F

    return rows.where(F.col("_interval") == ("static" if source.static else interval.label))


def _require_all(context: Context, wish: Read, source: Source, result: StepResult) -> None:
    """Raises PerdureError unless the step saw as many rows as ingest committed."""
    if holds_all_times(source) and not source.static:
        return  # the files hold other intervals' rows, too
    found = result.facts["rows_in"]
    outputs = [output for record in context.ledger.producers(wish) for output in record.outputs]
    landed = [output.rows for output in outputs if output.table == wish.table]
    if None not in landed and found != sum(rows or 0 for rows in landed):
        raise PerdureError(f"{wish.table} was committed with {landed} rows, but {found} were judged; ingest it again")


def _only(raw: DataFrame, source: Source, interval: Interval, *, first: bool) -> DataFrame:
    """This interval's rows of a source whose files hold all times; rows without a time go with the first."""
    from pyspark.sql import functions as F

    time = F.col(str(source.event_time))
    mine = (time >= F.lit(interval.start)) & (time < F.lit(interval.end))
    return raw.where(mine | time.isNull() if first else mine)


def featurize(context: Context, interval: Interval) -> Plan:
    """Validated sources to `features` and `labels`, point-in-time."""
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

    return Plan("featurize", interval, config, call, reads=reads)


def _model_config(pipeline: Pipeline) -> dict[str, JSON]:
    model = plain(pipeline.model)
    model["tune"].pop("parallelism")
    return {"model": model, "key": pipeline.features.key, "event_time": pipeline.features.event_time}


def _rows(pipeline: Pipeline, since: datetime, until: datetime) -> tuple[Read, Read]:
    time = pipeline.features.event_time
    return Read("features", time, since, until), Read("labels", time, since, until)


def train(context: Context, interval: Interval) -> Plan:
    """A model from what was known at the interval's end, registered in MLflow, its reference profile stored."""
    from .training import finish_training

    pipeline, cut = context.pipeline, interval.end

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.train import train as step

        progress = context.progress.search()
        return step(inputs["features"], inputs["labels"], pipeline=pipeline, cut=cut, progress=progress)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        try:
            return finish_training(context, interval, result, run_id)
        finally:
            result.value.release()

    # Not all of `monitor`: a rate of false alarms makes no other model.
    config = {**_model_config(pipeline), "train": plain(pipeline.train), "slices": list(pipeline.monitor.slices)}
    config |= {"multivariate": True} if pipeline.monitor.multivariate else {}
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

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.evaluate import evaluate as step
        from perdure.steps.train import holdout

        from .serving import scorer

        return step(
            holdout(inputs["features"], inputs["labels"], pipeline=pipeline, cut=cut),
            pipeline=pipeline,
            candidate=scorer(context, trained.facts)[0],
            champion=scorer(context, champion.train.facts)[0] if champion else None,
        )

    gate = plain(pipeline.gate)
    for later in ("environment", "environment_rules"):
        gate.pop(later)
    config = {**_model_config(pipeline), "gate": gate, "holdout": str(pipeline.train.holdout)}
    identity = [trained.run_id, champion.train.run_id if champion else None]
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
    )


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
        return step.monitor(
            inputs["features"],
            predictions,
            inputs["labels"],
            reference=step.read_profiles(context.tables.read(Read("profiles")), champion.train.run_id),
            previous=step.read_profiles(context.tables.read(Read("profiles")), previous.run_id) if previous else None,
            swings=champion.train.facts.get("swings"),
            stored=stored(context, features),
            weights=champion.weights,
            known_errors=champion.train.facts.get("reconstruction") or (),
            pipeline=pipeline,
            interval=interval,
        )

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
