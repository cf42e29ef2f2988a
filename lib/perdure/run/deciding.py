"""The plans that decide: when to retrain, and whether a candidate serves. Both read records, not data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.policy.retrain import Decision, Evidence, decide

from .champion import Champion, champion_at
from .context import Context, who
from .engine import Inputs, Plan
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
    evidence, records = gather_evidence(context, interval)

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


def gather_evidence(context: Context, interval: Interval) -> tuple[Evidence, list[RunRecord]]:
    """All that the policy may look at, and the records that it came from."""
    ledger, pipeline = context.ledger, context.pipeline
    # The one that serves from now on: a candidate promoted at this interval's own end is not evidence about it.
    champion = champion_at(ledger, interval.start)
    monitored = ledger.latest("monitor", interval=interval.label) if champion else None
    realised = _latest_performance(context, interval) if champion else None
    labelled = [record for record in ledger.records if record.step == "featurize" and record.status == "done"]
    used = [
        record
        for record in (monitored, realised, champion and champion.train, champion and champion.evaluate)
        if record
    ]
    featurized = ledger.latest("featurize", interval=interval.label)
    evidence = Evidence(
        interval_start=interval.start,
        interval_end=interval.end,
        history_start=pipeline.start,
        champion=_champion_facts(champion),
        drift=(monitored.facts.get("drift") or {}) if monitored else {},
        realised=_served(realised, champion).get("metrics", {}),
        label_coverage=_served(realised, champion).get("label_coverage"),
        labelled_rows=_labelled_rows(labelled, champion, interval),
        intervals_since_training=_intervals_since_training(context, interval),
    )
    return evidence, [*used, *([featurized] if featurized else [])]


def _champion_facts(champion: Champion | None) -> Any:
    from perdure.policy.retrain import ChampionFacts

    if champion is None:
        return None
    return ChampionFacts(champion.version, champion.trained_until, champion.holdout_metrics)


def _served(record: RunRecord | None, champion: Champion | None) -> Mapping[str, Any]:
    """What a performance record says of the champion's own predictions."""
    found = record.facts["models"].get(champion.version) if record and champion else None
    return found or {}


def _latest_performance(context: Context, interval: Interval) -> RunRecord | None:
    found = [
        record
        for record in context.ledger.records
        if record.step == "performance"
        and record.interval == interval.label
        and record.status == "done"
        and record.subject.removeprefix("known at ") <= f"{interval.end:%Y-%m-%dT%H:%M}"
    ]
    return found[-1] if found else None


def _labelled_rows(featurized: list[RunRecord], champion: Champion | None, interval: Interval) -> int:
    """Rows of the labels table in the intervals since the champion's training data ended (all, without one)."""
    since = champion.trained_until.isoformat() if champion else ""
    newest = {
        record.interval: record
        for record in featurized
        if record.interval_end > since and record.interval_start < interval.end.isoformat()
    }
    return sum(output.rows or 0 for record in newest.values() for output in record.outputs if output.table == "labels")


def _intervals_since_training(context: Context, interval: Interval) -> int | None:
    """How many intervals lie between the last training before this interval's end and now; None without one."""
    ends = [
        datetime.fromisoformat(record.interval_end)
        for record in context.ledger.records
        if record.step == "train" and record.status == "done"
    ]
    earlier = [end for end in ends if end < interval.end]
    if not earlier:
        return None
    count, here = 0, interval
    while here.end > max(earlier):
        count, here = count + 1, here.previous
    return count


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


__all__ = ["Decision", "deploy", "gather_evidence", "retrain"]
