"""What goes with a fit: its trials kept as they end; then the model in the registry, its reference profile in the
tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, fingerprint
from perdure.io.searches import Search
from perdure.io.tracking import TrainingLog, TrialLog
from perdure.tuning import Trial

from . import explaining, serving
from .context import Context, code_version


class Trials:
    """The trials of a training: told and kept as they end, and those that an earlier run of it has ended."""

    def __init__(self, context: Context, interval: Interval, run_id: str) -> None:
        """Asks the tracking server what an earlier run has left, and says so."""
        self.search = Search(context.tracking, run_id, _name(interval), _tags(context, interval))
        notes = [Trial(**json.loads(note)) for note in self.search.ended()]
        found = {trial.number: trial for trial in sorted(notes, key=lambda trial: trial.status == "ok")}
        self.ended = [found[number] for number in sorted(found)]
        self._tell = context.progress.search(context.pipeline.model.tune.trials, self.ended)

    def __call__(self, trial: Trial) -> None:
        """Keeps a trial that has just ended."""
        self.search.keep(_trial(trial))
        self._tell(trial)


def finish_training(
    context: Context, interval: Interval, result: StepResult, run_id: str, search: Search | None = None
) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
    """Registers the model once a run id and gives its version, with the reference profile's rows to write."""
    from perdure.profile.gather import MANY
    from perdure.steps.reference import reference

    with ThreadPoolExecutor(1) as beside:  # storing a model waits for files, profiling its rows for processors
        log = replace(_log(context, interval, result, run_id), search=search)
        stored = beside.submit(context.tracking.log_training, log)
        explained = beside.submit(lambda: explaining.summary(context, result.value, stored.result().version))
        many = result.value.rows_trained > MANY
        profiled = reference(result.value.rows, pipeline=context.pipeline, many=many)
        version = stored.result()
    facts = {
        "model_version": version.version,
        "tracking_run": version.tracking_run,
        "location": version.location,
        "serving": json.loads(context.tracking.read(version.location, serving.FACTS)),
        **profiled.facts,
        "explanation": explained.result(),
    }
    return facts, profiled.writes


def _log(context: Context, interval: Interval, result: StepResult, run_id: str) -> TrainingLog:
    trained, facts, pipeline = result.value, result.facts, context.pipeline
    return TrainingLog(
        run_id=run_id,
        name=_name(interval),
        params={
            "family": trained.family,
            **{f"{trained.family}.{key}": value for key, value in trained.params.items()},
            "seed": pipeline.model.seed,
            "since": facts["since"],
            "until": facts["until"],
            "rows": facts["rows"],
        },
        metrics={key: value for key, value in (facts.get("metrics") or {}).items() if isinstance(value, (int, float))},
        tags=_tags(context, interval),
        trials=[_trial(trial) for trial in trained.trials],
        model=trained.model,
        example=trained.training.select(*trained.columns),
        equip=lambda folder: serving.equip(trained, context, folder),
    )


def _name(interval: Interval) -> str:
    return f"train {interval.label}"


def _tags(context: Context, interval: Interval) -> dict[str, str]:
    pipeline = context.pipeline
    return {
        "perdure.pipeline": pipeline.pipeline,
        "perdure.pipeline_fingerprint": fingerprint(pipeline.model_dump(mode="json", by_alias=True)),
        "perdure.interval": interval.label,
        "perdure.code_version": code_version(),
        "perdure.data_versions": _data_versions(context, interval),
        "mlflow.source.name": context.file,
        "mlflow.source.git.commit": context.environment["commit"],
    }


def _data_versions(context: Context, interval: Interval) -> str:
    from .engine import pinned_version
    from .plans import train

    found = train(context, interval).producers(context.ledger)
    return ", ".join(f"{table}@{pinned_version(table, records)}" for table, records in sorted(found.items()) if records)


def _trial(trial: Trial) -> TrialLog:
    """As MLflow shows it: `loss` on all rows, `early_loss` on a share of them. A failed trial leaves no note: it may
    have failed for want of a machine."""
    losses = {"loss": trial.loss if trial.status == "ok" else None, "early_loss": trial.early}
    metrics = {"seconds": trial.seconds} | {key: value for key, value in losses.items() if value is not None}
    return TrialLog(
        name=f"trial {trial.number} {trial.family}",
        params={"family": trial.family, **trial.params},
        metrics={**metrics, **{key: float(value) for key, value in trial.metrics.items()}},
        status="FAILED" if trial.status == "failed" else "FINISHED",
        note="" if trial.status == "failed" else json.dumps(asdict(trial)),
    )
