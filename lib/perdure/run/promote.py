"""Moves a model version from one target's registry to another's, as a bundle that is checked where it arrives.

The bundle is everything that the version's run keeps beside the model (golden rows and compiled forms where there are
any, the card), the pipeline file with its SQL and suites, and `bundle.json`: the records behind the version and the
SHA-256 of every file. On the other side the ledger gets the run that brought it, the evaluation as it was, and a
deployment, so that scoring, monitoring, cards and audits go on from there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from perdure.core.errors import EnvironmentMismatch, ModelGateRefused, PerdureError, UsageError
from perdure.core.interval import Interval
from perdure.core.protocols import Read, StepResult, Write
from perdure.core.record import JSON, RunRecord

from . import approving, audit, blessing, deciding
from .champion import champion_at
from .context import Context
from .engine import Inputs, Plan, execute
from .lineage import Lineage

BUNDLE = "bundle.json"
_FILES = "pipeline"


def promote(source: Context, goal: Context, version: str, reason: str = "", *, force: bool = False) -> dict[str, JSON]:
    """Brings a version of `source` to `goal`'s registry, where it becomes champion from when it did at the source (or
    would have) on; once: again it answers with what is there. Raises UsageError for one target twice, an unknown
    version, or where a pinned version or a rollout under way keeps others from serving; ModelGateRefused for one that
    didn't pass its gate or isn't approved there unless `force`d; PerdureError where files differ; EnvironmentMismatch
    where its golden rows don't come out as at the training."""
    if source.pipeline.place == goal.pipeline.place:
        raise UsageError(f"target {goal.pipeline.target} is where the version is; --to names another")
    lineage = Lineage(source.ledger.records)
    trained, judged = lineage.training(version), lineage.evaluation(version)
    if trained is None or judged is None:
        missing = "training" if trained is None else "evaluation"
        raise UsageError(f"the ledger of {source.pipeline.target} has no {missing} of model version {version}")
    if judged.status != "done" and not force:
        raise ModelGateRefused(f"model version {version} didn't pass its gate, so it isn't promoted (--force does it)")
    _answered(source, lineage, version, force=force)
    interval = Interval.parse(trained.interval, goal.pipeline.interval)
    if not _there(goal, trained):
        approving.free(goal, interval.end)
    text = reason or f"promoted from {source.pipeline.target}, where it is v{version}"
    with tempfile.TemporaryDirectory() as folder:
        files = _bundle(source, version, Path(folder), (trained, judged))
        brought = execute(goal, _bring(source, goal, (trained, judged), interval, (Path(folder), files)))
    new = str(brought.record.facts["model_version"])
    if goal.ledger.get(judged.run_id) is None:
        facts = {**judged.facts, "imported_from": source.pipeline.target}
        goal.ledger.append(replace(judged, facts=facts, inputs=(), outputs=(), files=(), link=None))
    deployed = execute(goal, _serve(goal, (brought.record, judged), interval, new, text))
    return {"model_version": new, "from": f"{source.pipeline.target} v{version}", "to": goal.pipeline.target,
            "already_there": brought.known and deployed.known, "files": brought.record.facts["imported"]["files"],
            "effective_from": deployed.record.facts["effective_from"], "reason": deployed.record.facts["reason"],
            "decision": deployed.record.facts["decision"],
            "run": brought.record.run_id}  # fmt: skip


def _there(goal: Context, trained: RunRecord) -> bool:
    """Whether the version of a training was brought and decided on before."""
    brought = [str(record.facts["model_version"]) for record in goal.ledger.records if record.step == "promote"
               and record.status == "done" and record.facts.get("imported", {}).get("run") == trained.run_id]
    return any(Lineage(goal.ledger.records).deployment(version) for version in brought)


def _answered(source: Context, lineage: Lineage, version: str, *, force: bool) -> None:
    """Raises ModelGateRefused for a version that a person has yet to approve where it is, or has rejected there."""
    decided = lineage.deployment(version)
    if decided is not None and decided.facts.get("decision") in ("wait", "reject") and not force:
        raise ModelGateRefused(f"model version {version} isn't approved on {source.pipeline.target} "
                               f"({decided.facts['reason']}), so it isn't promoted (--force does it)")


def _bundle(source: Context, version: str, folder: Path, records: tuple[RunRecord, RunRecord]) -> dict[str, str]:
    """Fills the folder; gives each file's SHA-256."""
    shutil.copytree(source.tracking.artifacts(version), folder, dirs_exist_ok=True)
    pipeline = source.pipeline
    named = [source.file, pipeline.features.sql, *pipeline.features.views.values(),
             *(each.expectations for each in pipeline.sources.values() if each.expectations)]  # fmt: skip
    for name in named:
        file = pipeline.path(name)
        if file.is_file():
            inside = file.is_relative_to(pipeline.root)
            goal = folder / _FILES / (file.relative_to(pipeline.root) if inside else file.name)
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, goal)
    files = {str(file.relative_to(folder)): _digest(file) for file in sorted(folder.rglob("*")) if file.is_file()}
    trained, judged = records
    told = {"pipeline": pipeline.pipeline, "from": pipeline.target, "version": version, "files": files,
            "train": json.loads(trained.to_json()), "evaluate": json.loads(judged.to_json())}  # fmt: skip
    (folder / BUNDLE).write_text(json.dumps(told, indent=1, sort_keys=True), encoding="utf-8")
    return files


def _bring(source: Context, goal: Context, records: tuple[RunRecord, RunRecord], interval: Interval,
           bundle: tuple[Path, Mapping[str, str]]) -> Plan:
    trained, judged = records
    folder, files = bundle
    lineage = Lineage(source.ledger.records)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        """The reference profile goes along: without it nothing can be monitored."""
        from pyspark.sql import functions as F

        rows = source.tables.read(Read("profiles")).where(F.col("_run_id") == trained.run_id)
        imported = {"target": source.pipeline.target, "version": trained.facts["model_version"], "run": trained.run_id,
                    "hash": trained.link.hash if trained.link else None, "who": trained.who,
                    "started_at": trained.started_at, "environment": dict(trained.environment), "files": len(files),
                    "code": trained.code_version, "data": audit.data(lineage, trained)}  # fmt: skip
        facts = {**trained.facts, "imported": imported}
        return StepResult((Write("profiles", rows.drop("_run_id", "_interval"), "append"),), facts)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        tags = {"perdure.pipeline": goal.pipeline.pipeline, "perdure.interval": trained.interval,
                "perdure.imported_from": f"{source.pipeline.target} v{trained.facts['model_version']}",
                "perdure.code_version": trained.code_version}  # fmt: skip
        metrics = {name: found["value"] for name, found in judged.facts["candidate"].items()}
        new = goal.tracking.bring(run_id, f"promote {trained.interval}", folder, tags, metrics)
        _check(goal, new.version, files)
        return {"model_version": new.version, "tracking_run": new.tracking_run, "location": new.location}, ()

    identity = [source.pipeline.target, trained.run_id, judged.run_id]
    return Plan("promote", interval, trained.config, call, identity=identity, finish=finish)


def _check(goal: Context, version: str, files: Mapping[str, str]) -> None:
    """Every file as it was sent, and the model loads."""
    there = goal.tracking.artifacts(version)
    apart = [name for name, digest in files.items()
             if not (there / name).is_file() or _digest(there / name) != digest]  # fmt: skip
    if apart:
        raise PerdureError(f"{len(apart)} files of the bundle arrived otherwise than they were sent: {apart[0]}, ...")
    goal.tracking.load(version)


def _serve(goal: Context, records: tuple[RunRecord, RunRecord], interval: Interval, version: str, reason: str) -> Plan:
    """The deployment: checked on its golden rows in the goal's environment, then champion, or waiting for approval
    where the goal asks for that."""
    brought, judged = records
    mode, asks = goal.pipeline.gate.environment, goal.pipeline.gate.approval == "required"
    decision = "wait" if asks else "promote"
    reason = f"{reason}, and waits for approval" if asks else reason

    def call(inputs: Inputs, run_id: str) -> StepResult:
        before = champion_at(goal.ledger, interval.start)
        facts: dict[str, Any] = {
            "decision": decision, "reason": reason, "model_version": version, "challenger": None,
            "effective_from": interval.end.isoformat(), "train_run": brought.run_id, "evaluate_run": judged.run_id,
            "previous_version": before.version if before else None,
            "imported_from": brought.facts["imported"]["target"]}  # fmt: skip
        checked = None
        if mode != "off":
            checked, facts["blessing"] = blessing.check(goal, brought)
            if not checked.passed:
                raise EnvironmentMismatch(f"v{version} can't score on {goal.pipeline.target}: {blessing.said(checked)}")
        evidence = judged.gate.to_dict() if judged.gate else {}
        writes = [deciding.decision_row(goal, "deploy", facts, version)]
        if decision in deciding.ALIAS_OF:
            writes.append(deciding.alias_row(goal, deciding.CHAMPION, facts, evidence))
        return StepResult(tuple(writes), facts, checked)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        deciding.point(goal, interval, decision, version)
        return {}, ()

    identity = [brought.run_id, judged.run_id]
    config = {"environment": mode, **({"approval": "required"} if asks else {})}
    return Plan("deploy", interval, config, call, identity=identity, finish=finish)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def show(found: Mapping[str, Any], context: Context) -> None:
    """What was done, in two lines."""
    done = "was there already" if found["already_there"] else f"brought, {found['files']} files equal to what was sent"
    context.progress.say(f"v{found['model_version']} on {found['to']} ({found['from']}): {done}")
    serves = "champion" if found["decision"] == "promote" else "not in service"
    context.progress.say(f"{serves} from {found['effective_from'][:16]} on; {found['reason']}")
