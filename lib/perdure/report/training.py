"""What was tried and what was decided: searches, candidates against champions, the decisions with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.gate import GateLine
from .data import Comparison, Decision, ReportData, Trial
from .words import TERMS, smaller_is_better

TRAININGS = 12
TRIALS = 30
DECISIONS = 60
EVIDENCE = 24
_TEXT = 300
METRICS = 6
_ANSWERS = ("promote", "challenge", "reject")
_QUIET = {("retrain", "keep")}


@dataclass(frozen=True)
class MetricRow:
    """A metric of the candidate's and the champion's; `better`: whether the candidate's is, None without both."""

    metric: str
    candidate: float | None
    champion: float | None
    better: bool | None


@dataclass(frozen=True)
class TrainingView:
    """One training: its trials best first, and how its candidate fared. `promoted` is None without a comparison."""

    interval: str
    candidate: str | None
    champion: str | None
    promoted: bool | None
    metrics: tuple[MetricRow, ...]
    gate: tuple[GateLine, ...]
    trials: tuple[Trial, ...]
    omitted: int
    family: str | None


@dataclass(frozen=True)
class DecisionView:
    """A decision, or a run of quiet ones (nothing was due) put together; `count` tells how many."""

    first: str
    last: str
    kind: str
    decision: str
    reason: str
    model_version: str
    evidence: tuple[tuple[str, str], ...]
    count: int = 1


@dataclass(frozen=True)
class DecisionsView:
    """The decisions, latest first, and how many earlier ones are left out. `waiting`: the version that waits for a
    person's approval, if any."""

    rows: tuple[DecisionView, ...]
    omitted: int
    asked: int
    trained: int
    promoted: int
    refused: int
    waiting: str = ""


def trainings(data: ReportData) -> tuple[tuple[TrainingView, ...], int]:
    """The trainings, latest first, and how many earlier ones are left out."""
    intervals = {item.interval for item in data.trials} | {item.interval for item in data.comparisons}
    names = sorted(intervals, reverse=True)
    return tuple(_training(name, data) for name in names[:TRAININGS]), len(names[TRAININGS:])


def _training(interval: str, data: ReportData) -> TrainingView:
    trials = sorted((trial for trial in data.trials if trial.interval == interval), key=_by_loss)
    comparison = next((item for item in reversed(data.comparisons) if item.interval == interval), None)
    chosen = next((trial for trial in trials if trial.chosen), None)
    return TrainingView(
        interval=interval,
        candidate=comparison.candidate if comparison else None,
        champion=comparison.champion if comparison else None,
        promoted=comparison.gate.passed if comparison else None,
        metrics=_compared(comparison),
        gate=comparison.gate.lines if comparison else (),
        trials=tuple(trials[:TRIALS]),
        omitted=len(trials[TRIALS:]),
        family=chosen.family if chosen else None,
    )


def _by_loss(trial: Trial) -> tuple[bool, bool, float, int]:
    return (trial.loss is None, trial.stopped, trial.loss or 0.0, trial.number)


def _compared(comparison: Comparison | None) -> tuple[MetricRow, ...]:
    if comparison is None:
        return ()
    rows = []
    for name, (candidate, champion) in comparison.metrics.items():
        better = None
        if candidate is not None and champion is not None:
            better = candidate < champion if smaller_is_better(name) else candidate > champion
        rows.append(MetricRow(name, candidate, champion, better))
    rows.sort(key=lambda row: row.metric not in TERMS)
    return tuple(rows[:METRICS])


def decisions(data: ReportData) -> DecisionsView:
    """The decisions of all kinds; consecutive "keep" answers of the retraining policy are one row."""
    ordered = sorted(data.decisions, key=lambda item: (item.interval, item.decided_at))
    rows: list[DecisionView] = []
    for item in ordered:
        before = rows[-1] if rows else None
        quiet = (item.kind, item.decision) in _QUIET
        if quiet and before and (before.kind, before.decision) in _QUIET:
            rows[-1] = _decision(item, before.first, before.count + 1)
        else:
            rows.append(_decision(item, item.interval, 1))
    rows.reverse()
    return DecisionsView(
        rows=tuple(rows[:DECISIONS]),
        omitted=sum(row.count for row in rows[DECISIONS:]),
        asked=sum(item.kind == "retrain" for item in ordered),
        trained=sum((item.kind, item.decision) == ("retrain", "train") for item in ordered),
        promoted=len({(item.interval, item.model_version) for item in ordered if item.decision == "promote"}),
        refused=len({(item.interval, item.model_version) for item in ordered if item.decision == "refuse"}),
        waiting=_waiting(ordered),
    )


def _waiting(ordered: Sequence[Decision]) -> str:
    """The newest candidate that passed, where it waits and nobody has answered."""
    passed = [item for item in ordered if item.kind == "deploy" and item.decision != "refuse"]
    if not passed or passed[-1].decision != "wait":
        return ""
    version = passed[-1].model_version
    answered = any(item.kind == "rollout" and item.model_version == version and item.decision in _ANSWERS
                   for item in ordered)
    return "" if answered else version


def _decision(item: Decision, first: str, count: int) -> DecisionView:
    return DecisionView(
        first, item.interval, item.kind, item.decision, item.reason, item.model_version, _evidence(item.evidence), count
    )


def _evidence(evidence: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = [(str(name), _plain(value)) for name, value in list(evidence.items())[:EVIDENCE]]
    more = len(evidence) - len(rows)
    return (*rows, ("…", f"{more} more")) if more else tuple(rows)


def _plain(value: Any) -> str:
    text = (
        f"{value:.4g}"
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else (json.dumps(value, sort_keys=True, default=str, ensure_ascii=False))
    )
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
