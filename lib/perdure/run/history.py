"""The ledger on the terminal: a list of runs, or one run in full."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from rich.markup import escape
from rich.table import Table

from perdure.core.errors import UsageError
from perdure.core.record import RunRecord

from .context import Context
from .terminal import console

_SHOWN_FACTS = (
    "reason",
    "decision",
    "model_version",
    "family",
    "error",
    "rows_in",
    "good",
    "quarantined",
    "duplicates",
)


def show(
    context: Context,
    *,
    run_id: str | None = None,
    step: str | None = None,
    interval: str | None = None,
    status: str | None = None,
    as_json: bool = False,
) -> None:
    """Prints the runs that fit, oldest first, or the one that `run_id` begins. Raises UsageError when none does."""
    records = [
        record
        for record in context.ledger.records
        if step in (None, record.step) and interval in (None, record.interval) and status in (None, record.status)
    ]
    if run_id is not None:
        records = [_one(context.ledger.records, run_id)]
    if as_json:
        click.echo(json.dumps([json.loads(record.to_json()) for record in records]))
    elif run_id is not None:
        _show_one(records[0])
    else:
        _show_list(records)


def _one(records: Sequence[RunRecord], run_id: str) -> RunRecord:
    found = [record for record in records if record.run_id.startswith(run_id)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} runs begin with '{run_id}'; expected one (see jobs/history.py without --run)")
    return found[0]


def _show_list(records: Sequence[RunRecord]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "interval", "step", "subject", "status", "started (UTC)"):
        table.add_column(name, no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("what it gave")
    for record in records:
        rows = ", ".join(f"{output.table} {output.rows:,}" for output in record.outputs
                         if output.rows is not None and output not in record.elsewhere)  # fmt: skip
        reason = str(record.facts.get("reason") or record.facts.get("error") or "")
        table.add_row(
            record.run_id[:12],
            record.interval,
            record.step,
            record.subject,
            record.status,
            record.started_at[:19].replace("T", " "),
            f"{record.seconds:.1f}",
            escape("  ".join(filter(None, (rows, reason)))),
        )
    out = console()
    out.print(table)
    out.print(f"{len(records)} runs. One in full: jobs/history.py ... --run ID")


def _show_one(record: RunRecord) -> None:
    out = console()
    lines = {
        "run": record.run_id,
        "step": f"{record.step} {record.subject}".strip(),
        "status": record.status,
        "interval": f"{record.interval}  [{record.interval_start}, {record.interval_end})",
        "known at": record.known_at,
        "started": f"{record.started_at}, took {record.seconds:.1f} s",
        "by": f"{record.who}, target {record.target}",
        "code": record.code_version,
        "configuration": record.config_fingerprint,
        "seed": str(record.seed),
        "rerun of": record.rerun_of or "",
    }
    for name, value in lines.items():
        if value:
            out.print(f"[bold]{name:14}[/bold] {escape(value)}")
    for title, tables in (("inputs", record.inputs), ("outputs", record.outputs)):
        for table in tables:
            bounds = f"  [{table.since or '...'}, {table.until or '...'})" if table.since or table.until else ""
            rows = f"  {table.rows:,} rows" if table.rows is not None else ""
            out.print(f"[bold]{title:14}[/bold] {table.table} @ version {table.version}{rows}{escape(bounds)}")
    for file in record.files:
        out.print(f"[bold]{'file':14}[/bold] {escape(file.path)}  {file.size:,} bytes")
    for name in _SHOWN_FACTS:
        if record.facts.get(name) is not None:
            out.print(f"[bold]{name:14}[/bold] {escape(str(record.facts[name]))}")
    for line in record.gate.lines if record.gate else ():
        out.print(f"[bold]{'gate':14}[/bold] {escape(str(line))}")
    for key, value in sorted(record.environment.items()):
        out.print(f"[bold]{'environment':14}[/bold] {key} {escape(value)}")
