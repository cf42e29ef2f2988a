"""A policy tried for real: the same data lived again in a scratch target, with other decisions and their trainings.

The data steps are not repeated: raw, validated and feature tables are read where they are, and their runs are known
from the first ledger. Scores, monitoring, decisions and models are the scratch target's own, below the first one's
storage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from perdure.core.config import Pipeline, Target
from perdure.core.errors import UsageError
from perdure.core.interval import Interval
from perdure.core.record import RunRecord, fingerprint
from perdure.io.ledger import Ledger
from perdure.io.tables import Tables

from .champion import standing
from .context import Context
from .plans import plain
from .terminal import console

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHARED = ("ingest", "validate", "featurize", "replay")
"""Steps whose runs and tables a trial takes over."""
SECTIONS = ("retrain", "train", "gate", "model", "rollout")
"""Sections of the pipeline file that a trial may change."""


@dataclass(frozen=True)
class Month:
    """One interval of a life: what was decided at its end, who served, and how good it was (latest statement)."""

    interval: str
    decided: str
    version: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Life:
    """A policy's life: its intervals, trainings, promotions, and each metric's mean over the intervals (as many rows
    as it was measured on)."""

    name: str
    months: tuple[Month, ...]
    trainings: int
    promotions: int
    means: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class _Borrowing(Tables):
    """Tables of a scratch target, but for some that are another's."""

    def __init__(self, spark: SparkSession, place: Target, root: str, lender: Tables, borrowed: Iterable[str]) -> None:
        super().__init__(spark, place, root)
        self._lender, self._borrowed = lender, frozenset(borrowed)

    def where(self, table: str) -> str:
        return self._lender.where(table) if table in self._borrowed else super().where(table)


def scratch(base: Context, changes: Mapping[str, Any]) -> Context:
    """A context in which `base`'s data are there and nothing was decided yet, under other sections of the pipeline
    file (`SECTIONS`, as types); the same changes find what an earlier trial has left."""
    unknown = set(changes) - set(SECTIONS)
    if unknown:
        raise UsageError(f"a trial may change {', '.join(SECTIONS)}; found {', '.join(sorted(unknown))}")
    pipeline = base.pipeline.model_copy(update=dict(changes))
    place = _place(base.pipeline, fingerprint({name: plain(section) for name, section in changes.items()})[:12])
    # Nobody stands by to approve a trial's candidates.
    pipeline = pipeline.model_copy(update={
        "gate": pipeline.gate.model_copy(update={"approval": "none"}),
        "targets": {**pipeline.targets, "scratch": place}, "target": "scratch", "alerts": None})
    found = Context(pipeline, base.spark, base.progress, base.file)
    found.ledger.close()
    records = [record for record in base.ledger.records if record.step in SHARED]
    borrowed = {output.table for record in records for output in record.outputs}
    found.tables = _Borrowing(base.spark, place, str(pipeline.root), base.tables, borrowed)
    found.ledger = Ledger(base.spark, found.tables, pipeline.pipeline)
    found.ledger.adopt(records)
    return found


def _place(pipeline: Pipeline, name: str) -> Target:
    storage = pipeline.place.storage
    if storage is None:
        raise UsageError("a trial needs a target with storage, since it makes tables below it; choose one by --target")
    folder = f"{storage}/trials/{name}"
    where = pipeline.location(folder)
    tracking = pipeline.place.tracking
    if "://" not in storage:
        Path(where).mkdir(parents=True, exist_ok=True)
        tracking = f"sqlite:///{where}/mlflow.db"
    return Target(storage=folder, tracking=tracking)


def live(base: Context, changes: Mapping[str, Any], name: str) -> Life:
    """Lives all intervals that `base` has decided on again under `changes`, and gives that life. What an earlier,
    interrupted trial has done is not done again."""
    from .flow import Session

    with scratch(base, changes) as context:
        session = Session(context)
        for interval in decided(base):
            session.score(interval)
            session.monitor(interval)
            session.retrain(interval)
        return life(context, name)


def decided(context: Context) -> list[Interval]:
    """The intervals at whose end it was decided whether to train, oldest first."""
    found = {record.interval_start: record.interval for record in _done(context.ledger.records, "retrain")}
    return [Interval.parse(found[start], context.pipeline.interval) for start in sorted(found)]


def life(context: Context, name: str) -> Life:
    """What a ledger tells of the life in it: of the runs that stand, so what was decided anew since counts once."""
    records = standing(context.ledger.records)
    decisions = {record.interval: str(record.facts.get("decision", "")) for record in _done(records, "retrain")}
    stated: dict[str, RunRecord] = {}
    for record in _done(records, "performance"):
        if record.interval not in stated or record.subject >= stated[record.interval].subject:
            stated[record.interval] = record
    months = []
    for interval in sorted(decisions):
        models: Mapping[str, Any] = stated[interval].facts["models"] if interval in stated else {}
        version = max(sorted(models), key=lambda one: models[one]["rows"], default="")
        found: Mapping[str, Any] = models.get(version, {})
        metrics = {key: float(value) for key, value in (found.get("metrics") or {}).items()
                   if isinstance(value, (int, float)) and math.isfinite(value)}
        months.append(Month(interval, decisions[interval], version, int(found.get("rows") or 0), metrics))
    promoted = sum(record.facts.get("decision") == "promote" for record in _done(records, "deploy"))
    return Life(name, tuple(months), len({record.interval for record in _done(records, "train")}), promoted,
                means(months))


def means(months: Iterable[Month]) -> dict[str, float]:
    """Each metric's mean over the intervals that have it, each interval counting alike."""
    values: dict[str, list[float]] = {}
    for month in months:
        for metric, value in month.metrics.items():
            values.setdefault(metric, []).append(value)
    return {metric: sum(found) / len(found) for metric, found in values.items()}


def _done(records: Sequence[RunRecord], step: str) -> list[RunRecord]:
    return [record for record in records if record.step == step and record.status == "done"]


def show(lives: list[Life], metrics: list[str]) -> None:
    """Prints a row an interval, and the means over the intervals in which every life was measured."""
    common = set.intersection(*({month.interval for month in each.months if month.metrics} for each in lives))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("interval", no_wrap=True)
    for each in lives:
        table.add_column(each.name, no_wrap=True)
        for metric in metrics:
            table.add_column(metric, justify="right", no_wrap=True)
    rows = {month.interval for each in lives for month in each.months}
    for interval in sorted(rows):
        cells = [interval]
        for each in lives:
            month = next((month for month in each.months if month.interval == interval), None)
            served = f"v{month.version}" if month and month.version else "-"
            cells.append(f"{served} {month.decided}" if month else "-")
            cells += [_figure(month.metrics.get(metric) if month else None) for metric in metrics]
        table.add_row(*cells)
    cells = ["mean"]
    for each in lives:
        over = means(month for month in each.months if month.interval in common)
        cells += [f"{each.trainings} trainings", *(_figure(over.get(metric)) for metric in metrics)]
    table.add_section()
    table.add_row(*cells, style="bold")
    out = console(width=200)
    out.print(table)
    out.print(f"{len(common)} intervals in which all were measured; a version served the interval beside it.")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
