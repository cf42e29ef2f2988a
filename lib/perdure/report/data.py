"""What the report is made from: a frozen tree of plain Python, filled from the tables by whoever may read them.

Intervals are labels as `core.interval.Interval.label` writes them (`2013-04`), which sort as text. A slice is a pair of
key and value; None and None stand for all rows. Every part may be empty: the page then says what isn't there yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ..core.gate import GateResult
from ..core.record import RunRecord

Slice: TypeAlias = "tuple[str, str] | None"
Kind = Literal["expected", "realised", "estimation_error"]


@dataclass(frozen=True)
class PipelineFacts:
    """What the pipeline file says. `thresholds`: metric to worst passing value; `tolerance`: how much worse than at
    its promotion a champion may be, as a share; `drift_bound`: the statistic's value that counts as changed;
    `commands`: (what it does, command) pairs for the footer."""

    name: str
    description: str = ""
    target: str = ""
    interval: str = ""
    task: str = "binary"
    label: str = ""
    metric: str = "log_loss"
    sources: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.05
    drift_statistic: str = "population_stability_index"
    drift_bound: float = 0.2
    commands: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Champion:
    """A model version that serves from `interval` on, until the next one does."""

    version: str
    interval: str
    at: str = ""


@dataclass(frozen=True)
class Performance:
    """One number about a model version on one interval and slice; `low` and `high` bound it, `coverage` is the share
    of its rows whose outcome is known, `known_at` (ISO) tells re-statements apart: the last one counts."""

    interval: str
    metric: str
    kind: Kind
    value: float | None
    model_version: str = ""
    slice: Slice = None
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    coverage: float | None = None
    known_at: str = ""


@dataclass(frozen=True)
class Drift:
    """How far a column's distribution in an interval is from the reference: statistic name to value."""

    interval: str
    column: str
    statistics: Mapping[str, float | None]
    slice: Slice = None


@dataclass(frozen=True)
class Profile:
    """A column in an interval, in numbers: whichever of them are defined for its type."""

    interval: str
    column: str
    count: int
    nulls: int = 0
    mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    distinct: int | None = None


@dataclass(frozen=True)
class Unusual:
    """A measure of a source (`subject`; empty: of the features) outside what its own history lets expect; what is open
    at one end is None there."""

    interval: str
    subject: str
    column: str
    measure: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ToldBin:
    """A bin of a column: its shares of the rows then and now, and its share of the column's drift."""

    label: str
    before: float
    now: float
    share: float


@dataclass(frozen=True)
class ToldSlice:
    """A slice in which a column drifted: its rows, its own drift, its share of the column's, its worst bin."""

    key: str
    value: str
    rows: int
    score: float
    share: float
    bin: ToldBin | None = None


@dataclass(frozen=True)
class Told:
    """Where an interval's drift sits: a column's drift, its weight in the model, its share of all weighted drift."""

    interval: str
    column: str
    weight: float
    score: float
    share: float
    bins: tuple[ToldBin, ...] = ()
    slices: tuple[ToldSlice, ...] = ()


@dataclass(frozen=True)
class Together:
    """A number about all features at once: how badly the training's principal components rebuild an interval's rows
    (`reconstruction`), how well a classifier tells them from the training's (`domain`), or how alike the order is in
    which the model leans on them (`attributions`). Between what bounds it lies while nothing changes (None: not known);
    and each column's share of it, the greatest first."""

    interval: str
    value: float
    low: float | None = None
    high: float | None = None
    drifted: bool = False
    columns: tuple[tuple[str, float], ...] = ()
    kind: Literal["reconstruction", "domain", "attributions"] = "reconstruction"


@dataclass(frozen=True)
class Distribution:
    """Rows per bin, in the reference and in one interval. `bins` names categories, or is the n + 1 edges of a
    histogram with n bins."""

    column: str
    interval: str
    bins: tuple[str, ...] | tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


@dataclass(frozen=True)
class Trial:
    """One try of the search of the training that `interval` started; `loss`: smaller is better, None if it failed, on
    a share of the rows if it was `stopped` there."""

    interval: str
    number: int
    family: str
    params: Mapping[str, Any]
    loss: float | None
    seconds: float | None = None
    chosen: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Comparison:
    """A candidate against the champion of its day on the same held-out rows; `metrics`: name to (candidate's,
    champion's), the latter None when there was none."""

    interval: str
    candidate: str
    champion: str | None
    metrics: Mapping[str, tuple[float | None, float | None]]
    gate: GateResult


@dataclass(frozen=True)
class Decision:
    """What was decided for an interval and why. `kind`: retrain, gate or deploy."""

    interval: str
    kind: str
    decision: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    model_version: str = ""
    decided_at: str = ""


@dataclass(frozen=True)
class Importance:
    """How much the champion relies on a feature: its share of all features' importance, 0 to 1."""

    column: str
    share: float


@dataclass(frozen=True)
class ReportData:
    """Everything the page tells. `generated_at` is ISO 8601 UTC, given so that equal input makes an equal page."""

    pipeline: PipelineFacts
    generated_at: str
    runs: tuple[RunRecord, ...] = ()
    champions: tuple[Champion, ...] = ()
    performance: tuple[Performance, ...] = ()
    drift: tuple[Drift, ...] = ()
    profiles: tuple[Profile, ...] = ()
    unusual: tuple[Unusual, ...] = ()
    told: tuple[Told, ...] = ()
    together: tuple[Together, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    importance: tuple[Importance, ...] = ()
    trials: tuple[Trial, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    decisions: tuple[Decision, ...] = ()
