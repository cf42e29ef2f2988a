"""What ran: the pipeline as a graph with rows and times, the data's quality, and the run times of each step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..core.record import RunRecord
from .data import ReportData
from .timeline import Period, Timeline

STEPS = ("ingest", "validate", "featurize", "train", "evaluate", "deploy", "score", "performance", "monitor", "retrain")
REASONS = 6
_BROKEN = {
    "expect_column_values_to_not_be_null": "is empty",
    "expect_column_values_to_be_in_set": "is none of the known values",
    "expect_column_values_to_be_unique": "came before",
    "expect_compound_columns_to_be_unique": "came before",
    "expect_column_values_to_match_regex": "is not of the right form",
    "expect_column_values_to_be_of_type": "is of the wrong type",
    "expect_column_value_lengths_to_equal": "is of the wrong length",
    "expect_column_pair_values_a_to_be_greater_than_b": "are in the wrong order",
}
_FAILED = ("failed", "error", "broken")


@dataclass(frozen=True)
class QualityCell:
    """A source in a period: rows that came, went on and were quarantined, with the most frequent reasons."""

    period: Period
    rows_in: int
    good: int
    quarantined: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class QualityView:
    """A source's quality over all time and by period; `rules` is how many rules its suite checked last."""

    source: str
    rows_in: int
    good: int
    quarantined: int
    reasons: tuple[tuple[str, int], ...]
    periods: tuple[QualityCell, ...]
    rules: int | None
    refused: int

    @property
    def share(self) -> float:
        """The share of rows that were quarantined."""
        return self.quarantined / self.rows_in if self.rows_in else 0.0


@dataclass(frozen=True)
class StepView:
    """A step's runs: their number, and seconds in all, in the typical run (the median) and in the longest."""

    step: str
    runs: int
    failed: int
    seconds: float
    typical: float
    longest: float
    longest_at: str


@dataclass(frozen=True)
class Node:
    """A box of the graph: what it is, figures as (number, unit), seconds it took in all."""

    name: str
    figures: tuple[tuple[float, str], ...]
    seconds: float
    runs: int


@dataclass(frozen=True)
class GraphView:
    """The pipeline: sources as they came and as they were validated (one each), then the rest."""

    sources: tuple[Node, ...]
    validated: tuple[Node, ...]
    features: Node
    train: Node
    score: Node
    monitor: Node


def latest_runs(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """The record that stands for each step, subject and interval: the one that began last."""
    last: dict[tuple[str, str, str], RunRecord] = {}
    for run in sorted(runs, key=lambda run: (run.started_at, run.run_id)):
        last[(run.step, run.subject, run.interval)] = run
    return list(last.values())


def written(run: RunRecord, table: str) -> int | None:
    """The rows that a run wrote to a table, None if it wrote none or no one counted."""
    return next((output.rows for output in run.outputs if output.table == table), None)


def quality(data: ReportData, timeline: Timeline) -> tuple[QualityView, ...]:
    """Every validated source, in the pipeline's order."""
    runs = latest_runs(data.runs)
    arrived = {(run.subject, run.interval): written(run, f"raw_{run.subject}") for run in runs if run.step == "ingest"}
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        if run.step == "validate":
            found[run.subject].append(run)
    order = {name: number for number, name in enumerate(data.pipeline.sources)}
    names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return tuple(_quality(name, found[name], arrived, timeline) for name in names)


def _quality(name: str, runs: list[RunRecord], arrived: dict[Any, int | None], timeline: Timeline) -> QualityView:
    cells: dict[Period, list[QualityCell]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.interval):
        index = timeline.index(run.interval)
        period = Period(run.interval, run.interval) if index is None else timeline.periods[index]
        cells[period].append(_cell(run, period, arrived))
    periods = tuple(_summed(period, parts) for period, parts in cells.items())
    whole = _summed(Period("", ""), periods)
    last = max(runs, key=lambda run: (run.interval, run.started_at))
    return QualityView(
        name,
        whole.rows_in,
        whole.good,
        whole.quarantined,
        whole.reasons[:REASONS],
        periods,
        len(_results(last)) or None,
        sum(run.gate is not None and not run.gate.passed for run in runs),
    )


def _cell(run: RunRecord, period: Period, arrived: dict[Any, int | None]) -> QualityCell:
    good, bad = written(run, run.subject) or 0, written(run, f"{run.subject}_quarantine") or 0
    rows = run.facts.get("rows_in") or arrived.get((run.subject, run.interval)) or good + bad
    return QualityCell(period, int(rows), good, bad, _reasons(run))


def _summed(period: Period, parts: Iterable[QualityCell]) -> QualityCell:
    parts = tuple(parts)
    reasons: Counter[str] = Counter()
    for part in parts:
        reasons.update(dict(part.reasons))
    ranked = tuple(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])))
    return QualityCell(
        period,
        sum(part.rows_in for part in parts),
        sum(part.good for part in parts),
        sum(part.quarantined for part in parts),
        ranked,
    )


def _results(run: RunRecord) -> list[dict[str, Any]]:
    """Great Expectations' results in the record of a validation."""
    result = run.facts.get("result")
    found = result.get("results") if isinstance(result, dict) else None
    return [item for item in found or () if isinstance(item, dict)]


def _reasons(run: RunRecord) -> tuple[tuple[str, int], ...]:
    """Rule, in words, to the rows that broke it; without counts, the gate's failed lines, each counted once."""
    counts: Counter[str] = Counter()
    for item in _results(run):
        rows = (item.get("result") or {}).get("unexpected_count")
        if rows:
            counts[rule(item.get("expectation_config") or {})] += int(rows)
    for fact, words in (("duplicates", "the key came before"), ("rejected", "could not be parsed")):
        if isinstance(run.facts.get(fact), int) and run.facts[fact]:
            counts[words] += run.facts[fact]
    if not counts and run.gate is not None:
        counts.update(line.rule for line in run.gate.failures)
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def rule(config: dict[str, Any]) -> str:
    """What a row did that broke an expectation, in words: `tailnum is empty`; rules without words keep their name."""
    kwargs = config.get("kwargs") or {}
    kind = str(config.get("type") or "a rule")
    pair = [str(kwargs[name]) for name in ("column_A", "column_B") if name in kwargs]
    column = str(kwargs.get("column") or " and ".join(pair or map(str, kwargs.get("column_list") or ())))
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if kind.endswith("_to_be_between") and column:
        bounds = [f"{word} {bound}" for word, bound in (("below", low), ("above", high)) if bound is not None]
        return f"{column} is {' or '.join(bounds)}"
    words = _BROKEN.get(kind)
    if words and column:
        return f"{column} {words}"
    name = kind.removeprefix("expect_").removeprefix("column_").replace("_", " ")
    return f"{column}: {name}" if column else name


def steps(data: ReportData) -> tuple[StepView, ...]:
    """Each step's times, in the order of the pipeline."""
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for run in data.runs:
        found[run.step].append(run)
    order = {name: number for number, name in enumerate(STEPS)}
    return tuple(_step(name, found[name]) for name in sorted(found, key=lambda name: (order.get(name, 99), name)))


def _step(name: str, runs: list[RunRecord]) -> StepView:
    longest = max(runs, key=lambda run: (run.seconds, run.interval, run.subject))
    where = " · ".join(part for part in (longest.subject, longest.interval) if part)
    return StepView(
        name,
        len(runs),
        sum(run.status in _FAILED for run in runs),
        sum(run.seconds for run in runs),
        median(run.seconds for run in runs),
        longest.seconds,
        where,
    )


def graph(data: ReportData, qualities: tuple[QualityView, ...], trained: int, promoted: int) -> GraphView:
    """The boxes of the pipeline with their rows and times."""
    runs = latest_runs(data.runs)
    times = {step.step: (step.seconds, step.runs) for step in steps(data)}

    def node(name: str, figures: list[tuple[float | None, str]], *parts: str) -> Node:
        seconds, count = (sum(times.get(part, (0.0, 0))[axis] for part in parts) for axis in (0, 1))
        return Node(name, tuple((value, unit) for value, unit in figures if value is not None), seconds, int(count))

    def total(step: str, table: str) -> int | None:
        counts = [rows for run in runs if run.step == step and (rows := written(run, table)) is not None]
        return sum(counts) if counts else None

    def source(step: str, name: str, figures: tuple[tuple[float, str], ...]) -> Node:
        own = [run for run in data.runs if run.step == step and run.subject == name]
        return Node(name, figures, sum(run.seconds for run in own), len(own))

    by_name = {item.source: item for item in qualities}
    names = data.pipeline.sources or tuple(by_name)
    return GraphView(
        sources=tuple(
            source("ingest", name, ((by_name[name].rows_in, "rows"),) if name in by_name else ()) for name in names
        ),
        validated=tuple(
            source(
                "validate",
                name,
                ((by_name[name].good, "good"), (by_name[name].quarantined, "quarantined")) if name in by_name else (),
            )
            for name in names
        ),
        features=node(
            "Features",
            [(total("featurize", "features"), "rows"), (total("featurize", "labels"), "outcomes")],
            "featurize",
        ),
        train=node(
            "Train and evaluate", [(trained, "trainings"), (promoted, "promoted")], "train", "evaluate", "deploy"
        ),
        score=node("Score", [(total("score", "predictions"), "predictions")], "score"),
        monitor=node("Monitor", [(len(timelined(data)), "intervals watched")], "performance", "monitor", "retrain"),
    )


def timelined(data: ReportData) -> set[str]:
    """The intervals that were monitored."""
    return {row.interval for row in data.drift} | {row.interval for row in data.performance}
