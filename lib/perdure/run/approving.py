"""A person's yes or no to a candidate that passed its gate (`gate: {approval: required}`), on record with who and why.

A yes puts the candidate into service as its deployment would have: it is loaded and run on its golden rows where this
session runs, then it is champion, or its rollout begins, from the end of the newest interval that was scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from perdure.core.config import Pipeline
from perdure.core.errors import UsageError
from perdure.core.gate import GateResult
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.io.ledger import Records

from . import blessing
from .champion import BY_HAND, Waiting, answer_to, challenger_at, champion_at, pinned_at, waiting_at
from .context import Context
from .deciding import ALIAS_OF, alias_row, decision_row, point, service
from .engine import Inputs, Plan, command
from .plans import plain

APPROVE, REJECT = "approve", "reject"


def ask(context: Context, version: str) -> str:
    """How to answer for a waiting candidate: the commands."""
    job = command(context, "rollout", None)
    return f'{job} {APPROVE} {version} --why "..." (or {REJECT})'


def told(context: Context, moment: datetime) -> dict[str, Any] | None:
    """The candidate that waits at a moment, JSON-ready; None where none does."""
    found = waiting_at(context.ledger, moment)
    if found is None:
        return None
    return {"model_version": found.version, "since": found.effective_from.isoformat(), "run": found.run,
            "answer": ask(context, found.version)}


def known(ledger: Records, action: str, version: str) -> RunRecord | None:
    """The record of the same answer for a version, where it was given already. Raises UsageError where it was
    answered otherwise."""
    found = answer_to(ledger, version)
    if found is not None and found.facts["approval"]["answer"] != action:
        raise UsageError(f"v{version} was answered for already: {found.facts['reason']}, on {found.started_at[:16]}. "
                         "The next candidate is asked about anew")
    return found


def answer(context: Context, interval: Interval, action: str, version: str, why: str) -> Plan:
    """The plan of an answer, in effect from the end of `interval` on. Raises UsageError where the version doesn't wait,
    where something else keeps it from serving, and without a reason."""
    found = _waiting(context, version, interval.end)
    if not why.strip():
        raise UsageError('expected --why "...": the reason stands in the record, beside who and when')
    if action == APPROVE:
        free(context, interval.end)
    # A yes that failed for its check is another run each time: the environment may have been mended.
    tried = [record.run_id for record in context.ledger.records
             if record.status == "refused" and record.facts.get("approval")
             and str(record.facts["model_version"]) == version]

    def call(inputs: Inputs, run_id: str) -> StepResult:
        facts, checked = _facts(context, interval, action, found, why.strip())
        writes = [decision_row(context, "rollout", facts, version)]
        if facts["decision"] in ALIAS_OF:
            lines = found.evaluate.gate.to_dict() if found.evaluate.gate else {}
            writes.append(alias_row(context, ALIAS_OF[facts["decision"]], facts, {**lines, **facts["approval"]}))
        return StepResult(writes=tuple(writes), facts=facts, gate=checked)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        point(context, interval, result.facts["decision"], version)
        return {}, ()

    config = {"action": action, "version": version, **_rules(context.pipeline)}
    return Plan("rollout", interval, config, call, subject=BY_HAND, identity=[found.run, *tried], finish=finish)


def _rules(pipeline: Pipeline) -> dict[str, JSON]:
    gate = pipeline.gate
    return {"environment": gate.environment, "environment_rules": plain(gate.environment_rules),
            "rollout": plain(pipeline.rollout)}


def _facts(context: Context, interval: Interval, action: str, found: Waiting,
           why: str) -> tuple[dict[str, Any], GateResult | None]:
    """What the record says: the decision, the answer, and how the check came out that a yes calls for."""
    before, checked, state = champion_at(context.ledger, interval.end), None, None
    decision, reason = REJECT, f"rejected by hand: {why}"
    facts: dict[str, Any] = {
        "model_version": found.version, "previous_version": before.version if before else None,
        "train_run": found.train.run_id, "evaluate_run": found.evaluate.run_id,
        "effective_from": interval.end.isoformat(),
        "approval": {"answer": action, "why": why, "waited_since": found.effective_from.isoformat()},
    }
    if action == APPROVE:
        decision, _, state = service(context.pipeline.rollout, found.train, found.evaluate, before)
        reason = f"approved by hand: {why}"
        if context.pipeline.gate.environment != "off":
            checked, facts["blessing"] = blessing.check(context, found.train)
        if checked is not None and not checked.passed:
            decision, state = "wait", None
            reason = f"approved by hand, but it can't serve here and still waits: {blessing.said(checked)}"
    return {**facts, "decision": decision, "reason": reason, "challenger": state}, checked


def _waiting(context: Context, version: str, moment: datetime) -> Waiting:
    found = waiting_at(context.ledger, moment)
    if found is not None and found.version == version:
        return found
    past = [record for record in context.ledger.records if record.step in ("deploy", "rollout")
            and record.status == "done" and str(record.facts.get("model_version")) == version]
    how = f"v{version} doesn't wait for approval"
    if past:
        facts = past[-1].facts
        how += f" ({facts['decision']}: {facts.get('reason', '')})"
    if found is None:
        raise UsageError(f"{how}, and no other version does")
    raise UsageError(f"{how}; v{found.version} does, since {found.effective_from:%Y-%m-%d}: "
                     f"{ask(context, found.version)}")


def free(context: Context, moment: datetime) -> None:
    """Raises UsageError where a pin or a rollout under way keeps any candidate from serving."""
    pinned, challenger = pinned_at(context.ledger, moment), challenger_at(context.ledger, moment)
    job = command(context, "rollout", None)
    if pinned is not None:
        raise UsageError(f"v{pinned} is pinned by hand, so no candidate takes over; first: {job} unpin")
    if challenger is not None:
        raise UsageError(f"{challenger.sentence}; first: {job} rollback (or advance)")
