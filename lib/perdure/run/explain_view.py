"""Explanations on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from perdure.core.errors import PerdureError, UsageError
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.core.record import JSON
from perdure.report.card import largest

from .context import Context
from .flow import Session
from .lineage import Lineage
from .terminal import console


def explained(context: Context, label: str | None, top: int | None, key: str | None) -> dict[str, JSON]:
    """Explains an interval (default: the one that was scored last), and gives the run, the version's summary and,
    with `key`, that row's reasons. Raises PerdureError when no model serves, UsageError for an unknown key."""
    if label is None:
        scored = context.ledger.latest("score")
        label = scored.interval if scored else None
    if label is None:
        raise PerdureError("nothing was scored yet, so there is nothing to explain")
    record = Session(context).explain(Interval.parse(label, context.pipeline.interval), top)
    if record is None:
        raise PerdureError(f"no model serves {label}, so there is nothing to explain")
    version = str(record.facts["model_version"])
    trained = Lineage(context.ledger.records).training(version)
    output = next(iter(record.outputs))
    found = {"interval": label, "model_version": version, "run": record.run_id, "rows": output.rows,
             "unit": record.facts["unit"], "base": record.facts["base"], "table": context.tables.where("reasons"),
             "summary": trained.facts.get("explanation") if trained else None, "row": None}  # fmt: skip
    if key is not None:
        found["row"] = _row(context, label, key)
    return found


def _row(context: Context, label: str, key: str) -> dict[str, JSON]:
    from pyspark.sql import functions as F

    name = context.pipeline.features.key
    rows = context.tables.read(Read("reasons")).where(F.col("_interval") == label)
    found = rows.where(F.col(quoted(name)).cast("string") == key).limit(1).collect()  # one row
    if not found:
        raise UsageError(f"no row of {label} has {name} = '{key}'")
    row: dict[str, JSON] = found[0].asDict(recursive=True)
    return {each: value for each, value in row.items() if not each.startswith("_")}


def show(found: Mapping[str, Any]) -> None:
    """What the model leans on, then the row that was asked for, or where the reasons are."""
    out = console()
    summary = found["summary"] or {}
    if summary.get("importance"):
        table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold",
                      title=f"what v{found['model_version']} leans on ({summary['rows']:,} held-out rows)")  # fmt: skip
        table.add_column("feature")
        for name in (f"mean |SHAP| ({summary['unit']})", "goes with its value", "loss rises when shuffled by"):
            table.add_column(name, justify="right")
        for name, size in largest(summary["importance"]):
            turn, rise = summary["direction"].get(name), summary["permutation"].get(name)
            table.add_row(escape(name), f"{size:.4f}", "" if turn is None else f"{turn:+.2f}",
                          f"{rise['value']:.4f} ± {1.96 * rise['error']:.4f}" if rise else "")  # fmt: skip
        out.print(table)
    if found["row"] is None:
        rows = "" if found["rows"] is None else f"{found['rows']:,} rows, "
        out.print(f"reasons of {found['interval']}: {rows}table {found['table']}; one row: --key KEY")
        return
    row = found["row"]
    name = escape(str(next(iter(row.values()))))
    out.print(f"[bold]{name}[/]: the model says {row['raw']:.4f} ({found['unit']}); of no "
              f"row in particular it says {row['base']:.4f}. What moved it most:")  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("feature")
    table.add_column("value")
    table.add_column("moves it by", justify="right")
    for reason in row["reasons"]:
        value = "(missing)" if reason["value"] is None else reason["value"]
        table.add_row(escape(reason["feature"]), escape(value), f"{reason['contribution']:+.4f}")
    out.print(table)
