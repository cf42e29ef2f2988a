"""The command lines of the jobs that decide who serves: deploy, and the rollout of a challenger."""

from __future__ import annotations

from typing import Any

import click

from perdure.core.errors import EnvironmentMismatch

from .cli import command, finish, if_due, opened, pipeline_options, raise_if_refused, run_step, step_options


@command("deploy.py pipelines/flights.yml --interval 2013-04")
@click.option("--recheck", is_flag=True, help="Check the version that serves the interval where this session runs.")
@if_due
@step_options
def deploy(recheck: bool, **given: Any) -> None:
    """Put the interval's candidate into service when its gate passed and it runs well here; the alias champion moves.

    Before that it is loaded and run on its golden rows, and blessed for this environment; `score` refuses a version
    that isn't blessed for where it finds itself (exit code 5), until --recheck has blessed it there. Where the pipeline
    has a rollout, the candidate becomes the challenger; where it asks for approval (gate: {approval: required}), the
    candidate waits until jobs/rollout.py approves it. Exit code 4 when its gate refused."""
    session = run_step("recheck" if recheck else "deploy", **given)
    if recheck:
        return
    raise_if_refused(session, dry_run=given["dry_run"])
    last = session.context.ledger.latest("deploy") if session.tally.done or session.tally.known else None
    if last is not None and last.status == "refused" and not given["dry_run"]:
        raise EnvironmentMismatch(f"the candidate of {last.interval} can't serve here: {last.facts['reason']}")


@command("rollout.py pipelines/flights.yml status")
@click.option("--why", metavar="TEXT", default="", help="The reason, for the record.")
@pipeline_options
@click.argument("action", type=click.Choice(["status", "advance", "rollback", "pin", "unpin", "approve", "reject"]))
@click.argument("version", required=False)
def rollout(pipeline: str, target: str | None, as_json: bool, action: str, version: str | None, why: str) -> None:
    """Show who serves, or change it by hand: from the next interval on, and on record with who and why.

    advance: the challenger's next step, at last champion. rollback: the challenger leaves; without one, the champion
    before this one serves again. pin: this VERSION (default: the champion) serves, and no candidate takes over until
    unpin. approve: the candidate VERSION, which passed its gate and waits (gate: {approval: required}), begins to serve
    after its check where this session runs (exit code 5 if it can't run there). reject: it doesn't. Both want --why."""
    answers = action in ("approve", "reject")
    if version and action != "pin" and not answers:
        raise click.UsageError(f"{action} takes no version")
    if answers and not version:
        raise click.UsageError(f"{action} which version? `status` tells the one that waits")
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run import standing
        from perdure.run.flow import Session

        if action == "status":
            standing.show(context, as_json=as_json)
            return
        session = Session(context)
        if answers:
            session.answer(standing.latest(context), action, str(version), why)
        else:
            session.change(standing.latest(context), action, version, why)
    finish(session, as_json=as_json)
