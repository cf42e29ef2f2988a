"""The life so far as a small table, an interval a line: from the ledger alone, no Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from perdure.core.record import RunRecord

from .champion import standing
from .context import Context
from .terminal import console


@dataclass(frozen=True)
class Line:
    """One interval: rows of all its sources, who served, how good it was by the labels known last, what was decided."""

    interval: str
    rows_in: int
    good: int
    quarantined: int
    duplicates: int
    champion: str
    metrics: Mapping[str, float | None]
    decision: str
    reason: str
    deployed: str


def lines(records: Sequence[RunRecord]) -> list[Line]:
    """One line for each interval that has a run, oldest first."""
    records = standing(records)
    intervals = sorted({record.interval_start: record.interval for record in records if record.interval_start}.items())
    return [_line(label, [record for record in records if record.interval == label]) for _, label in intervals]


def _line(interval: str, records: Sequence[RunRecord]) -> Line:
    newest = {(record.step, record.subject): record for record in records}
    validated = [record.facts for (step, _), record in newest.items() if step == "validate"]
    counts = {name: sum(int(facts.get(name) or 0) for facts in validated) for name in _COUNTS}
    by_step = {record.step: record.facts for record in records}
    changed = [f"{record.facts['decision']} v{record.facts['model_version']}" for (step, _), record in newest.items()
               if step in ("rollout", "deploy") and "decision" in record.facts]
    return Line(
        interval=interval,
        **counts,
        champion=str(by_step.get("score", {}).get("model_version", "")),
        metrics=_metrics(by_step.get("performance", {}), by_step.get("score", {})),
        decision=str(by_step.get("retrain", {}).get("decision", "")),
        reason=str(by_step.get("retrain", {}).get("reason", "")),
        deployed=", ".join(changed),
    )


def _metrics(performance: Mapping[str, Any], score: Mapping[str, Any]) -> Mapping[str, float | None]:
    found: Mapping[str, float | None] = (
        performance.get("models", {}).get(score.get("model_version"), {}).get("metrics", {})
    )
    return found


_COUNTS = ("rows_in", "good", "quarantined", "duplicates")


def show(context: Context) -> None:
    """Prints the table on the terminal."""
    wanted = {"binary": ("area_under_roc", "log_loss"), "multiclass": ("accuracy", "log_loss"),
              "regression": ("mae", "rmse")}[context.pipeline.model.task]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("interval", no_wrap=True)
    for name in ("rows in", "good", "quarantined", "champion", *wanted):
        table.add_column(name.replace("area_under_roc", "AUC"), justify="right", no_wrap=True)
    table.add_column("retrain?")
    for line in lines(context.ledger.records):
        decided = f"{line.decision}{' -> ' + line.deployed if line.deployed else ''}: {line.reason}"
        table.add_row(
            line.interval, f"{line.rows_in:,}", f"{line.good:,}", f"{line.quarantined:,}",
            f"v{line.champion}" if line.champion else "-", *(_number(line.metrics.get(name)) for name in wanted),
            escape(decided) if line.decision else "",
        )  # fmt: skip
    console(stderr=True).print(table)


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else "-"
