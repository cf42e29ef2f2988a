"""The plans of a rollout: a challenger's next step by policy, and every change that is made by hand.

They decide by records; the interval's predictions are read only to tell where the two disagree. Each decision takes
effect at the end of its interval, goes into `decisions`, and where it changes who serves into `alias_history` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from perdure.core.config import Pipeline
from perdure.core.errors import UsageError
from perdure.core.interval import Interval
from perdure.core.protocols import Read, StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.policy.rollout import Seen, Side, decide

from .champion import BY_HAND, Challenger, Champion, challenger_at, champion_at, champions, changes, pinned_at
from .context import Context
from .deciding import CHALLENGER, CHAMPION, alias_row, decision_row
from .engine import Inputs, Plan
from .evidence import latest_performance
from .plans import plain


def active(context: Context, interval: Interval) -> Challenger | None:
    """The challenger whose step the policy may decide at the interval's end: it was there in the interval, and nobody
    has changed by hand who serves after it."""
    changed = any(record.subject == BY_HAND and since == interval.end for since, record in changes(context.ledger))
    return None if changed else challenger_at(context.ledger, interval.start)


def gather(context: Context, interval: Interval, champion: Champion,
           challenger: Challenger) -> tuple[list[Seen], list[RunRecord]]:
    """Both models' performance in the intervals of the present step, by what was known at the interval's end."""
    metric = metric_of(context.pipeline)
    seen, used = [], []
    here = Interval.containing(challenger.effective_from, context.pipeline.interval)
    for each in here.through(interval):
        record = latest_performance(context.ledger, each, interval.end)
        if record is not None:
            models = record.facts["models"]
            seen.append(Seen(each.label, *(_side(models.get(who.version), metric) for who in (champion, challenger))))
            used.append(record)
    return seen, used


def _side(found: Mapping[str, Any] | None, metric: str) -> Side:
    if found is None:
        return Side()
    return Side(int(found["rows"]), found["metrics"].get(metric), found["expected"].get(metric))


def metric_of(pipeline: Pipeline) -> str:
    """What champion and challenger are compared by."""
    return pipeline.rollout.metric or pipeline.metric


def rollout(context: Context, interval: Interval, challenger: Challenger) -> Plan:
    """What becomes of the challenger at the interval's end, by policy."""
    pipeline = context.pipeline
    champion = champion_at(context.ledger, interval.start)
    assert champion is not None, "a challenger stands beside a champion"
    seen, used = gather(context, interval, champion, challenger)
    verdict = decide(challenger.step, seen, pipeline.rollout, metric_of(pipeline))
    facts = _facts(context, verdict.action, verdict.reason, champion, challenger)
    facts |= {"evidence": verdict.evidence, "effective_from": interval.end.isoformat()}
    config = {"rollout": plain(pipeline.rollout), "metric": metric_of(pipeline)}
    identity = [challenger.to_dict(), champion.train.run_id, *(record.run_id for record in used)]
    wanted = Read("predictions", pipeline.features.event_time, interval.start, interval.end)
    reads = (wanted, replace(wanted, table="features"))
    plan = _plan(context, interval, facts, config, identity)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.rollout import disagreement

        apart = disagreement(inputs["predictions"], inputs["features"], champion=champion.version,
                             challenger=challenger.version, pipeline=pipeline)
        result = plan.call(inputs, run_id)
        return replace(result, facts={**result.facts, "disagreement": apart})

    return replace(plan, call=call, reads=reads, latest_only=("predictions",))


def by_hand(context: Context, interval: Interval, action: str, version: str | None, why: str) -> Plan:
    """A change made by hand, in effect from the end of `interval` on. Raises UsageError where there is nothing to
    advance, to roll back to, or to pin."""
    ledger, moment = context.ledger, interval.end
    champion, challenger = champion_at(ledger, moment), challenger_at(ledger, moment)
    if champion is None:
        raise UsageError("no version serves yet, so there is nothing to change")
    if action in ("pin", "unpin"):
        facts = _pinned(context, action, champion, version, moment)
    elif challenger is not None:
        step = action
        if action == "advance" and _next(context.pipeline, challenger) is None:
            step = "promote"
        facts = _facts(context, step, "", champion, challenger)
    elif action == "rollback":
        facts = _facts(context, "restore", "", champion, _before(context, champion))
    else:
        raise UsageError("no challenger is being rolled out, so there is none to advance")
    facts |= {"reason": why or f"{action}, by hand", "effective_from": moment.isoformat(),
              "evidence": {"asked": action, "version": version}}
    known = [record.run_id for _, record in changes(ledger)]
    return _plan(context, interval, facts, {"action": action, "version": version}, known, subject=BY_HAND)


def _before(context: Context, champion: Champion) -> Champion:
    """The champion before this one."""
    earlier = [each for each in champions(context.ledger) if each.version != champion.version]
    if not earlier:
        raise UsageError(f"v{champion.version} is the only version that ever served; there is none to go back to")
    return earlier[-1]


def _pinned(context: Context, action: str, champion: Champion, version: str | None, moment: datetime) -> dict[str, Any]:
    if action == "unpin":
        if pinned_at(context.ledger, moment) is None:
            raise UsageError("no version is pinned")
        return _facts(context, "unpin", "", champion, champion)
    wanted = version or champion.version
    found = [each for each in champions(context.ledger) if each.version == wanted]
    if not found:
        known = ", ".join(sorted({each.version for each in champions(context.ledger)}, key=int))
        raise UsageError(f"version {wanted} never served, so it can't be pinned; these did: {known}")
    return _facts(context, "pin", "", champion, found[-1])


def _next(pipeline: Pipeline, challenger: Challenger) -> Challenger | None:
    """The challenger one step further; None after the last."""
    steps = pipeline.rollout.steps
    if challenger.kind == "shadow" or challenger.step + 1 >= len(steps):
        return None
    return replace(challenger, step=challenger.step + 1, share=steps[challenger.step + 1])


def _facts(context: Context, decision: str, reason: str, champion: Champion, about: Champion) -> dict[str, Any]:
    """What a record says: of `about`, a challenger or the version that is to serve."""
    after = None
    if isinstance(about, Challenger) and decision in ("advance", "hold"):
        after = _next(context.pipeline, about) if decision == "advance" else about
    return {
        "decision": decision, "reason": reason, "model_version": about.version,
        "previous_version": champion.version, "train_run": about.train.run_id, "evaluate_run": about.evaluate.run_id,
        "challenger": after.to_dict() if after else None,
        "share": after.share if after else None,
    }


def _plan(context: Context, interval: Interval, facts: dict[str, Any], config: JSON, identity: JSON,
          subject: str = "") -> Plan:
    def call(inputs: Inputs, run_id: str) -> StepResult:
        writes = [decision_row(context, "rollout", facts, facts["model_version"])]
        if facts["decision"] != "hold":
            serves = facts["decision"] in ("promote", "restore", "pin", "unpin")
            writes.append(alias_row(context, CHAMPION if serves else CHALLENGER, facts, facts["evidence"]))
        return StepResult(writes=tuple(writes), facts=facts)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        if facts["decision"] in ("promote", "restore", "pin"):
            context.tracking.set_alias(CHAMPION, facts["model_version"])
        if facts["decision"] != "hold" and facts["challenger"] is None:
            context.tracking.remove_alias(CHALLENGER)
        return {}, ()

    return Plan("rollout", interval, config, call, subject=subject, identity=identity, finish=finish)
