"""What a decision to retrain may look at, and which way a metric is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae", "mse", "mape"})
"""Metrics that shrink as a model improves; all others grow."""


@dataclass(frozen=True)
class Part:
    """One slice: its column and value, and metrics on its rows. On the champion's holdout only `realised` is known;
    without labels only `expected`."""

    key: str
    value: str
    rows: int = 0
    realised: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    label_coverage: float | None = None


@dataclass(frozen=True)
class ChampionFacts:
    """The serving model: its version, the end of its training data, and what it measured on its own holdout."""

    version: str
    trained_until: datetime
    holdout_metrics: Mapping[str, Any]
    holdout_slices: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that is known at an interval's end.

    `drift`: feature -> statistic -> value, in this interval against the champion's reference; `drift_thresholds`: the
    same keys, above which a value is an alarm. `realised`: metric -> value on this interval's labelled rows,
    `label_coverage` their share; `expected`: on all its rows, from the predictions alone. `slices`: the same by slice.
    `quarantined`: the share of its raw rows. `new_categories`: feature -> share of rows with a category that the
    training never saw. `unusual`: what in its sources and features lies outside its own history, a sentence each.
    `together`: check on all features at once -> whether it found a change, and the figures in words.
    `labelled_rows`: since the champion's training data ended, or since the beginning without a
    champion. `window_rows`: labelled rows that a training window ending now would hold, None where nobody counted them.
    `intervals_since_training`: 1 for the interval right after the one that trained last, None before the first
    training. `trainings`: the ends of the intervals that trained before this one. `held`: what keeps a new candidate
    from serving, in words (a rollout under way, a pinned version). `earlier`: the intervals before, the nearest first.
    """

    interval_start: datetime
    interval_end: datetime
    history_start: datetime
    champion: ChampionFacts | None = None
    drift: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    realised: Mapping[str, Any] = field(default_factory=dict)
    label_coverage: float | None = None
    labelled_rows: int = 0
    intervals_since_training: int | None = None
    window_rows: int | None = None
    drift_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    slices: tuple[Part, ...] = ()
    quarantined: float | None = None
    new_categories: Mapping[str, float] = field(default_factory=dict)
    unusual: tuple[str, ...] = ()
    together: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    trainings: tuple[datetime, ...] = ()
    held: str = ""
    earlier: tuple[Evidence, ...] = ()


def number(value: Any) -> float | None:
    """A measured number, None for anything that isn't one (missing, NaN, text)."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
    return float(value) if usable else None


def worsened(metric: str, before: float, now: float) -> float:
    """By how much a metric got worse, as a share of its size before; negative where it got better. From exactly 0 the
    plain difference counts."""
    loss = now - before if metric in LOWER_IS_BETTER else before - now
    return loss / abs(before) if before else loss
