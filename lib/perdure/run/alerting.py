"""The plan that tells someone of an interval: states from the ledger's records, sent once a change."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.core.config import Alerts
from perdure.core.interval import Interval
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.protocols import StepResult, Write
from perdure.core.record import JSON, RunRecord
from perdure.io import notify
from perdure.policy.alerts import Message, State, message

from .context import Context
from .engine import Inputs, Plan, command
from .evidence import unusual_lines

_NAMED = 5
_LOOKED_AT = ("validate", "monitor", "retrain", "evaluate")


def alert(context: Context, interval: Interval, alerts: Alerts) -> Plan:
    """What has changed in the interval, told to `alerts.to`. A notice that could not be sent leaves the states as they
    were, so that the next interval tells it."""
    # Not its performance, which is stated again in the next interval and would make this another run.
    records = [r for r in context.ledger.records if r.interval == interval.label and r.step in _LOOKED_AT]
    known = _before(context, interval)
    states = states_of(records)
    subject = f"{context.pipeline.pipeline} {interval.label}"
    notice = message(subject, states, known, alerts.on, command(context, "report", None))
    used = [record.run_id for record in records]

    def call(inputs: Inputs, run_id: str) -> StepResult:
        return StepResult(facts={"changed": list(notice.changed) if notice else []})

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        sent = _sent(context, alerts, notice)
        now = {**known, **{kind: state.amiss for kind, state in states.items()}} if sent else known
        return {"sent": sent, "states": now, "title": notice.title if notice else ""}, ()

    return Plan("alert", interval, {"on": list(alerts.on)}, call, identity=used, finish=finish)


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
        states["drift"] = State(bool(drifted), f"{', '.join(drifted[:_NAMED])}{more}." if drifted else "")
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
    sent = notify.send([resolve_secrets(url) for url in alerts.to], notice.title, notice.body)
    context.progress.say(f"          {'told' if sent else 'could not tell'}: {notice.title}")
    return sent
