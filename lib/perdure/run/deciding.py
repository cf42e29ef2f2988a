"""The plans that decide: when to retrain, and whether a candidate serves. Both read records, not data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.policy.retrain import Decision, decide

from .champion import champion_at
from .context import Context, who
from .engine import Inputs, Plan
from .evidence import gather_evidence
from .plans import plain

_DECISIONS = "kind string, decision string, reason string, evidence string, model_version string, decided_at timestamp"
_ALIASES = (
    "alias string, model_version string, previous_version string, effective_from timestamp, who string, "
    "reason string, evidence string, at timestamp"
)
CHAMPION = "champion"


def retrain(context: Context, interval: Interval) -> Plan:
    """Whether a training is due at the interval's end, and why; also why not."""
    pipeline = context.pipeline
    evidence, records = gather_evidence(context.ledger, pipeline, interval)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        decision = decide(evidence, pipeline.retrain, pipeline.train)
        version = evidence.champion.version if evidence.champion else None
        facts = {
            "decision": "train" if decision.due else "keep",
            "reason": decision.reason,
            "evidence": decision.evidence,
            "model_version": version,
        }
        row = _decision_row(context, "retrain", facts, version)
        return StepResult(writes=(row,), facts=facts, value=decision)

    config = {"retrain": plain(pipeline.retrain), "train": plain(pipeline.train)}
    return Plan("retrain", interval, config, call, identity=[record.run_id for record in records])


def deploy(context: Context, interval: Interval, trained: RunRecord, evaluated: RunRecord) -> Plan:
    """The candidate becomes champion from the interval's end on if its gate passed; otherwise it is refused."""
    version = str(trained.facts["model_version"])
    passed = evaluated.status == "done"

    def call(inputs: Inputs, run_id: str) -> StepResult:
        before = champion_at(context.ledger, interval.start)
        lines = evaluated.gate.lines if evaluated.gate else ()
        failures = [line.sentence for line in lines if not line.passed and line.severity == "critical"]
        reason = "it passed its gate" if passed else "; ".join(failures)
        facts = {
            "decision": "promote" if passed else "refuse",
            "reason": reason,
            "model_version": version,
            "effective_from": interval.end.isoformat(),
            "train_run": trained.run_id,
            "evaluate_run": evaluated.run_id,
            "previous_version": before.version if before else None,
        }
        writes = [_decision_row(context, "deploy", facts, version)]
        if passed:
            writes.append(_alias_row(context, facts, evaluated))
        return StepResult(writes=tuple(writes), facts=facts)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        # Living through the past again must not take the alias from a later champion.
        newest = champion_at(context.ledger, datetime.max.replace(tzinfo=timezone.utc))
        if passed and (newest is None or newest.effective_from <= interval.end):
            context.tracking.set_alias(CHAMPION, version)
        return {}, ()

    return Plan("deploy", interval, None, call, identity=[trained.run_id, evaluated.run_id], finish=finish)


def in_service(context: Context, facts: Mapping[str, Any], evaluated: RunRecord) -> tuple[Write, ...]:
    """The rows that put a version into service on record: the decision, and the alias with its evidence."""
    return (_decision_row(context, "deploy", facts, facts["model_version"]), _alias_row(context, facts, evaluated))


def _decision_row(context: Context, kind: str, facts: Mapping[str, Any], version: str | None) -> Write:
    row = (
        kind,
        facts["decision"],
        facts["reason"],
        json.dumps(facts, default=str, sort_keys=True),
        version,
        _now(),
    )
    return Write("decisions", context.spark.createDataFrame([row], _DECISIONS).coalesce(1), "append")


def _alias_row(context: Context, facts: Mapping[str, Any], evaluated: RunRecord) -> Write:
    evidence = json.dumps(evaluated.gate.to_dict() if evaluated.gate else {}, sort_keys=True)
    row = (
        CHAMPION,
        facts["model_version"],
        facts["previous_version"],
        datetime.fromisoformat(facts["effective_from"]),
        who(),
        facts["reason"],
        evidence,
        _now(),
    )
    return Write("alias_history", context.spark.createDataFrame([row], _ALIASES).coalesce(1), "append")


def _now() -> datetime:
    return datetime.now(timezone.utc)


__all__ = ["CHAMPION", "Decision", "champion_at", "deploy", "gather_evidence", "in_service", "retrain"]
