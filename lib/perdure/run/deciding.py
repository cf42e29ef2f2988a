"""The plans that decide: when to retrain, and whether a candidate serves. Both read records, not data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from perdure.core.config import Rollout
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.policy.retrain import Decision, decide

from . import blessing
from .champion import Champion, challenger_at, champion_at, changes, deployed_in, pinned_at, undone
from .context import Context, who
from .engine import Inputs, Plan
from .evidence import gather_evidence
from .plans import plain

_DECISIONS = "kind string, decision string, reason string, evidence string, model_version string, decided_at timestamp"
_ALIASES = (
    "alias string, model_version string, previous_version string, effective_from timestamp, who string, "
    "reason string, evidence string, at timestamp"
)
CHAMPION, CHALLENGER = "champion", "challenger"
ALIAS_OF = {"promote": CHAMPION, "challenge": CHALLENGER}


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
        rows = [decision_row(context, "retrain", facts, version)]
        first = context.ledger.latest("retrain", interval=interval.label)
        if first is not None and first.facts["decision"] == "train" and not decision.due:
            rows += _undoing(context, interval)
        return StepResult(writes=tuple(rows), facts=facts, value=decision)

    config = {"retrain": plain(pipeline.retrain), "train": plain(pipeline.train)}
    identity = [*(record.run_id for record in records), *filter(None, [evidence.held])]
    return Plan("retrain", interval, config, call, identity=identity)


def deploy(context: Context, interval: Interval, trained: RunRecord, evaluated: RunRecord) -> Plan:
    """What becomes of the candidate at the interval's end: champion, challenger in a rollout, refused, or waiting for a
    person's approval. It serves only if its gate passed, no version is pinned, and it was found to run well where this
    session runs."""
    gate, version = context.pipeline.gate, str(trained.facts["model_version"])
    passed = evaluated.status == "done"

    def call(inputs: Inputs, run_id: str) -> StepResult:
        facts = _outcome(context, interval, trained, evaluated)
        checked = None
        if passed and gate.environment != "off":
            checked, facts["blessing"] = blessing.check(context, trained)
            if not checked.passed:
                facts |= {"decision": "refuse", "reason": blessing.said(checked), "challenger": None}
        writes = [decision_row(context, "deploy", facts, version)]
        alias = ALIAS_OF.get(facts["decision"])
        if alias:
            writes.append(alias_row(context, alias, facts, evaluated.gate.to_dict() if evaluated.gate else {}))
        else:
            writes += _undoing(context, interval)
        return StepResult(writes=tuple(writes), facts=facts, gate=checked)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        point(context, interval, result.facts["decision"], version)
        return {}, ()

    rules = {"environment": gate.environment, "environment_rules": plain(gate.environment_rules)}
    config = {**rules, "rollout": plain(context.pipeline.rollout), "approval": gate.approval}
    return Plan("deploy", interval, config, call, identity=[trained.run_id, evaluated.run_id], finish=finish)


def point(context: Context, interval: Interval, decision: str, version: str) -> None:
    """Gives a version the alias that a deployment's decision means for it, if any. Living through the past again does
    not take an alias from a later version."""
    last = max((since for since, _ in changes(context.ledger)), default=interval.end)
    if decision in ALIAS_OF and last <= interval.end:
        context.tracking.set_alias(ALIAS_OF[decision], version)


def _undoing(context: Context, interval: Interval) -> list[Write]:
    """A row that tells of the deployment that is undone where an interval gets no new model this time; else none."""
    record = deployed_in(context.ledger, interval.label)
    if record is None:
        return []
    before = champion_at(context.ledger, interval.start)
    alias, facts = ALIAS_OF[record.facts["decision"]], record.facts
    told = {"decision": "undo", "reason": f"{interval} was decided anew", "previous_version": facts["model_version"],
            "model_version": before.version if before and alias == CHAMPION else None,
            "effective_from": facts["effective_from"]}  # fmt: skip
    return [alias_row(context, alias, told, {"run": record.run_id})]


@contextmanager
def aliases(context: Context) -> Iterator[None]:
    """Where what is decided meanwhile undoes what had followed from an earlier decision, gives the tracking server's
    aliases to those that serve from now on, by the ledger."""
    before = undone(context.ledger.records)
    yield
    if undone(context.ledger.records) == before:
        return
    now = datetime.max.replace(tzinfo=timezone.utc)
    serve = {CHAMPION: champion_at(context.ledger, now), CHALLENGER: challenger_at(context.ledger, now)}
    for alias, found in serve.items():
        if found is None:
            context.tracking.remove_alias(alias)
        else:
            context.tracking.set_alias(alias, found.version)


def _outcome(context: Context, interval: Interval, trained: RunRecord, evaluated: RunRecord) -> dict[str, Any]:
    """The decision's facts, as far as the gate, a pin and the pipeline's rollout say."""
    before, pinned = champion_at(context.ledger, interval.start), pinned_at(context.ledger, interval.end)
    lines = evaluated.gate.lines if evaluated.gate else ()
    failures = [line.sentence for line in lines if not line.passed and line.severity == "critical"]
    decision, reason, state = "wait", "it passed its gate, and waits for approval", None
    if evaluated.status != "done":
        decision, reason = "refuse", "; ".join(failures)
    elif pinned is not None:
        decision, reason = "refuse", f"it passed its gate, but v{pinned} is pinned by hand"
    elif context.pipeline.gate.approval == "none":
        decision, reason, state = service(context.pipeline.rollout, trained, evaluated, before)
    return {
        "decision": decision,
        "reason": reason,
        "model_version": str(trained.facts["model_version"]),
        "effective_from": interval.end.isoformat(),
        "train_run": trained.run_id,
        "evaluate_run": evaluated.run_id,
        "previous_version": before.version if before else None,
        "challenger": state,
    }


def service(rules: Rollout, trained: RunRecord, evaluated: RunRecord,
            before: Champion | None) -> tuple[str, str, dict[str, Any] | None]:
    """How a candidate that passed its gate, with the champion before it, begins to serve: the decision, its reason, and
    the state of the rollout, where there is one."""
    reason = "it passed its gate"
    if rules.kind == "direct" or before is None:
        return "promote", reason, None
    share = rules.steps[0] if rules.kind == "canary" else 0
    state = {"model_version": str(trained.facts["model_version"]), "train_run": trained.run_id,
             "evaluate_run": evaluated.run_id, "kind": rules.kind, "step": 0, "share": share, "began": None}
    where = f"to {share} % of the keys" if share else "in the champion's shadow"
    return "challenge", f"{reason}, and is rolled out {where} first", state


def decision_row(context: Context, kind: str, facts: Mapping[str, Any], version: str | None) -> Write:
    """A row for `decisions`; all facts are its evidence."""
    row = (
        kind,
        facts["decision"],
        facts["reason"],
        json.dumps(facts, default=str, sort_keys=True),
        version,
        _now(),
    )
    return Write("decisions", context.spark.createDataFrame([row], _DECISIONS).coalesce(1), "append")


def alias_row(context: Context, alias: str, facts: Mapping[str, Any], evidence: JSON) -> Write:
    """A row for `alias_history`: which version stands for `alias` from when, who said so, and why."""
    row = (
        alias,
        facts["model_version"],
        facts["previous_version"],
        datetime.fromisoformat(facts["effective_from"]),
        who(),
        f"{facts['decision']}: {facts['reason']}",
        json.dumps(evidence, sort_keys=True),
        _now(),
    )
    return Write("alias_history", context.spark.createDataFrame([row], _ALIASES).coalesce(1), "append")


def _now() -> datetime:
    return datetime.now(timezone.utc)


__all__ = ["Decision", "deploy", "gather_evidence", "retrain"]
