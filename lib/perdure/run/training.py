"""What follows a fit: the model in the registry, its reference profile in the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, fingerprint
from perdure.io.tracking import TrainingLog, TrialLog

from . import explaining, serving
from .context import Context, code_version


def finish_training(
    context: Context, interval: Interval, result: StepResult, run_id: str
) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
    """Registers the model once a run id and gives its version, with the reference profile's rows to write."""
    from perdure.steps.reference import reference

    with ThreadPoolExecutor(1) as beside:  # storing a model waits for files, profiling its rows for processors
        stored = beside.submit(context.tracking.log_training, _log(context, interval, result, run_id))
        explained = beside.submit(lambda: explaining.summary(context, result.value, stored.result().version))
        profiled = reference(result.value.rows, pipeline=context.pipeline)
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
    tags = {
        "perdure.pipeline": pipeline.pipeline,
        "perdure.pipeline_fingerprint": fingerprint(pipeline.model_dump(mode="json", by_alias=True)),
        "perdure.interval": interval.label,
        "perdure.code_version": code_version(),
        "perdure.data_versions": _data_versions(context, interval),
        "mlflow.source.name": context.file,
        "mlflow.source.git.commit": context.environment["commit"],
    }
    return TrainingLog(
        run_id=run_id,
        name=f"train {interval.label}",
        params={
            "family": trained.family,
            **{f"{trained.family}.{key}": value for key, value in trained.params.items()},
            "seed": pipeline.model.seed,
            "since": facts["since"],
            "until": facts["until"],
            "rows": facts["rows"],
        },
        metrics={key: value for key, value in (facts.get("metrics") or {}).items() if isinstance(value, (int, float))},
        tags=tags,
        trials=[_trial(trial) for trial in trained.trials],
        model=trained.model,
        example=trained.training.select(*trained.columns),
        equip=lambda folder: serving.equip(trained, context, folder),
    )


def _data_versions(context: Context, interval: Interval) -> str:
    from .engine import pinned_version
    from .plans import train

    found = train(context, interval).producers(context.ledger)
    return ", ".join(f"{table}@{pinned_version(table, records)}" for table, records in sorted(found.items()) if records)


def _trial(trial: Any) -> TrialLog:
    ok = trial.status == "ok"
    metrics = {"loss": float(trial.loss), "seconds": float(trial.seconds)} if ok else {"seconds": float(trial.seconds)}
    return TrialLog(
        name=f"trial {trial.number} {trial.family}",
        params={"family": trial.family, **trial.params},
        metrics={**metrics, **{key: float(value) for key, value in (trial.metrics or {}).items()}},
        status="FINISHED" if ok else "FAILED",
    )
