"""Who serves, as people ask for it: now, or at a time; with the challenger, and how it came about."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from perdure.core.errors import UsageError
from perdure.core.interval import Interval, parse_time

from . import approving
from .champion import BY_HAND, challenger_at, champion_at, changes, pinned_at
from .context import Context

_SHOWN = 8


def latest(context: Context) -> Interval:
    """The newest interval that was scored or got a champion: a change by hand takes effect at its end. Raises
    UsageError before there is any."""
    found = [record for record in context.ledger.records
             if record.step in ("score", "deploy") and record.status == "done"]
    if not found:
        raise UsageError("nothing was scored or deployed yet; live some intervals first: jobs/run.py")
    newest = max(found, key=lambda record: record.interval_start)
    return Interval.parse(newest.interval, context.pipeline.interval)


def at(context: Context, moment: datetime) -> dict[str, Any]:
    """Who serves intervals that begin at a moment, JSON-ready."""
    champion, challenger = champion_at(context.ledger, moment), challenger_at(context.ledger, moment)
    return {
        "at": moment.isoformat(),
        "champion": champion.version if champion else None,
        "since": champion.effective_from.isoformat() if champion else None,
        "trained_until": champion.trained_until.isoformat() if champion else None,
        "pinned": pinned_at(context.ledger, moment) is not None,
        "challenger": {**challenger.to_dict(), "since": challenger.effective_from.isoformat()} if challenger else None,
        "waiting": approving.told(context, moment),
    }


def show(context: Context, *, as_json: bool) -> None:
    """Prints who serves from the newest interval's end on, and the last changes."""
    now = latest(context).end
    found = at(context, now)
    listed = [{"effective_from": since.isoformat(), "decision": record.facts["decision"],
               "model_version": record.facts["model_version"], "reason": record.facts.get("reason", ""),
               "who": record.who, "by_hand": record.subject == BY_HAND, "run": record.run_id}
              for since, record in changes(context.ledger)]
    if as_json:
        click.echo(json.dumps({**found, "changes": listed}))
        return
    click.echo(_sentence(context, now, found))
    if waiting := found["waiting"]:
        click.echo(f"v{waiting['model_version']} passed its gate and waits for approval since {waiting['since'][:10]}: "
                   f"{waiting['answer']}")
    for change in listed[-_SHOWN:]:
        hand = f", by {change['who']}" if change["by_hand"] else ""
        click.echo(f"  from {change['effective_from'][:16]}  {change['decision']} v{change['model_version']}: "
                   f"{change['reason']}{hand}")


def show_at(context: Context, moment: str, *, as_json: bool) -> None:
    """Prints who served at a time, such as 2013-05-03 or 2013-05-03T12:00. Raises UsageError for anything else."""
    try:
        when = parse_time(moment)
    except Exception as error:
        raise UsageError(f"--champion-at needs a time such as 2013-05-03 or 2013-05-03T12:00: {error}") from error
    # Rows are scored by the version that serves when their interval begins.
    begins = Interval.containing(when, context.pipeline.interval).start
    found = {**at(context, begins), "at": when.isoformat()}
    click.echo(json.dumps(found) if as_json else _sentence(context, begins, found))


def _sentence(context: Context, moment: datetime, found: dict[str, Any]) -> str:
    if found["champion"] is None:
        return "no version serves yet"
    challenger = challenger_at(context.ledger, moment)
    pinned = ", pinned by hand" if found["pinned"] else ""
    also = f"; {challenger.sentence} since {challenger.effective_from:%Y-%m-%d}" if challenger else ""
    return (f"v{found['champion']} is champion since {found['since'][:10]}{pinned}, trained on data until "
            f"{found['trained_until'][:10]}{also}")
