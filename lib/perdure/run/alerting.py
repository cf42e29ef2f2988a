"""The plan that tells someone of an interval: states from the ledger's records, sent once a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from perdure.core.config import Alerts
from perdure.core.interval import Interval
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.io import notify
from perdure.io.ledger import Seen
from perdure.policy.alerts import Message, State, message

from . import approving
from .champion import waiting_at
from .context import Context
from .engine import Inputs, Plan, command
from .evidence import unusual_lines

_NAMED = 5
_LOOKED_AT = ("validate", "monitor", "retrain", "evaluate", "deploy")


def alert(context: Context, interval: Interval, alerts: Alerts) -> Plan:
    """What has changed in the interval, told to `alerts.to`. A notice that could not be sent leaves the states as they
    were, so that the next interval tells it."""
    # Not its performance, which is stated again in the next interval and would make this another run.
    seen = Seen(context.ledger, interval.end)
    records = [r for r in seen.records if r.interval == interval.label and r.step in _LOOKED_AT]
    known = _before(context, interval)
    states = states_of(records)
    if context.pipeline.gate.approval == "required":
        waits = waiting_at(seen, interval.end)
        states["approval"] = State(waits is not None, approving.ask(context, waits.version) if waits else "")
    subject = f"{context.pipeline.pipeline} {interval.label}"
    notice = message(subject, states, known, alerts.on, command(context, "report", None))
    used = [record.run_id for record in records]

    def call(inputs: Inputs, run_id: str) -> StepResult:
        return StepResult(facts={"changed": list(notice.changed) if notice else []})

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        held = notice is not None and enough(context.ledger.records, alerts, datetime.now(timezone.utc))
        if held and notice:
            context.progress.say(f"          held back, enough was told (alerts.at_most): {notice.title}")
        sent = not held and _sent(context, alerts, notice)
        now = {**known, **{kind: state.amiss for kind, state in states.items()}} if sent else known
        return {"sent": sent, "held_back": held, "states": now, "title": notice.title if notice else ""}, ()

    return Plan("alert", interval, {"on": list(alerts.on)}, call, identity=used, finish=finish)


def enough(records: Sequence[RunRecord], alerts: Alerts, now: datetime) -> bool:
    """Whether as many notices as `alerts.at_most` allows have been sent of late."""
    if alerts.at_most is None:
        return False
    since = alerts.at_most.per.before(now).isoformat()
    told = [record for record in records if record.step == "alert" and record.status == "done"
            and record.facts.get("sent") and record.facts.get("title") and record.started_at > since]
    return len(told) >= alerts.at_most.notices


def states_of(records: list[RunRecord]) -> dict[str, State]:
    """What one interval's runs say, by kind; a kind that nothing was measured of is left out."""
    last = {(record.step, record.subject): record for record in records if record.status != "failed"}
    by_step = {step: record for (step, _), record in last.items()}
    states: dict[str, State] = {}
    validated = [record for (step, _), record in last.items() if step == "validate"]
    refused = [record.subject for record in validated if record.status == "refused"]
    if validated:
        parts = [f"Refused: {', '.join(sorted(refused))}."] if refused else []
        if unusual := unusual_lines([*validated, *([by_step["monitor"]] if "monitor" in by_step else [])]):
            more = f"; and {len(unusual) - _NAMED} more" if len(unusual) > _NAMED else ""
            parts.append(f"Unusual: {'; '.join(unusual[:_NAMED])}{more}.")
        states["data"] = State(bool(parts), " ".join(parts))
    if "monitor" in by_step:
        drifted = sorted(by_step["monitor"].facts.get("drifted") or ())
        more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
        reason = f"{', '.join(drifted[:_NAMED])}{more}." if drifted else ""
        together = by_step["monitor"].facts.get("multivariate") or {}
        if together.get("drifted"):
            most = ", ".join(list(together["columns"])[:3])
            apart = f"Features no longer go together as in the training, most {most}."
            reason = f"{reason} {apart}".strip()
        domain = by_step["monitor"].facts.get("domain") or {}
        if domain.get("drifted"):
            most = ", ".join(list(domain["columns"])[:3])
            told = f"A classifier tells the rows from the training's ({domain['area']:.2f}), most by {most}."
            reason = f"{reason} {told}".strip()
        leans = by_step["monitor"].facts.get("attributions") or {}
        if leans.get("drifted"):
            most = ", ".join(list(leans["columns"])[:3])
            reason = f"{reason} The model leans on other features than in its training, most changed {most}.".strip()
        states["drift"] = State(bool(reason), reason)
    if "retrain" in by_step:
        states |= _decided(by_step["retrain"])
    if "evaluate" in by_step:
        gate = by_step["evaluate"].gate
        failures = [str(line) for line in gate.failures] if gate else []
        states["model"] = State(by_step["evaluate"].status == "refused", "; ".join(failures))
    return states


def _decided(record: RunRecord) -> dict[str, State]:
    reason = str(record.facts.get("reason", ""))
    found = {"retrain": State(record.facts.get("decision") == "train", reason)}
    lines = (record.facts.get("evidence") or {}).get("lines") or ()
    judged = [line for line in lines if str(line["rule"]).startswith(("realised:", "expected:"))]
    if judged:
        worse = [f"{line['rule']} {line['measured']}." for line in judged if line["passed"]]
        found["performance"] = State(bool(worse), " ".join(worse))
    return found


def _before(context: Context, interval: Interval) -> dict[str, bool]:
    """The states as they were told last, before this interval."""
    told = [record for record in context.ledger.records
            if record.step == "alert" and record.status == "done" and record.interval_end <= interval.start.isoformat()]
    newest = max(told, key=lambda record: record.interval_end, default=None)
    return dict(newest.facts.get("states") or {}) if newest else {}


def _sent(context: Context, alerts: Alerts, notice: Message | None) -> bool:
    if notice is None:
        return True
    urls = [resolve_secrets(url) for url in alerts.to]
    sent = notify.send(urls, notice.title, notice.body, _picture(context, notice) if alerts.picture else None)
    context.progress.say(f"          {'told' if sent else 'could not tell'}: {notice.title}")
    return sent


def _picture(context: Context, notice: Message) -> bytes | None:
    """What the notice is about, drawn; None where there is nothing to draw or nothing to draw it with."""
    from perdure.report.picture import picture

    from .gather import gather

    try:
        return picture(gather(context), drift=bool({"drift", "data"} & set(notice.changed)))
    except ImportError:
        return None
