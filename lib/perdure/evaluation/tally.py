"""Tallies: what the Spark pass leaves of a model's predictions over one slice. Estimates: a number and its error.

Binary tasks are tallied over a grid of probability bins (see `scan`), so that ranking metrics need no rows. Two
probabilities that share a bin can't be told apart, as if they were tied: the area under the curve is therefore within
`Tally.tied` of its exact value, and this bound is computed, not assumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A measured value, its standard error (None: not known) and the bound of what the grid may have moved it by."""

    value: float
    error: float | None = None
    bound: float = 0.0

    def interval(self, confidence: float = 0.95) -> tuple[float | None, float | None]:
        """The normal interval, two-sided, widened by `bound`; (None, None) without a standard error."""
        if self.error is None:
            return None, None
        reach = NormalDist().inv_cdf(0.5 + confidence / 2) * self.error + self.bound
        return self.value - reach, self.value + reach


@dataclass(frozen=True)
class Moments:
    """Mean and sum of squared deviations of `n` values; merges exactly (Chan, Golub, LeVeque 1979)."""

    n: float
    mean: float
    m2: float

    @classmethod
    def merged(cls, n: Array, mean: Array, variance: Array) -> Moments:
        """From groups: their sizes, means and population variances."""
        whole = float(n.sum())
        if not whole:
            return cls(0.0, math.nan, math.nan)
        filled = n > 0
        n, mean, variance = n[filled], mean[filled], variance[filled]
        centre = float((n * mean).sum() / whole)
        return cls(whole, centre, float((n * (variance + (mean - centre) ** 2)).sum()))

    def estimate(self) -> Estimate | None:
        """The mean with its standard error, s / sqrt(n); None without rows."""
        if not self.n:
            return None
        error = math.sqrt(max(self.m2, 0.0) / (self.n - 1) / self.n) if self.n > 1 else None
        return Estimate(self.mean, error)


@dataclass(frozen=True)
class Tally:
    """One model over one slice (`slice_key` None: all rows). Arrays hold one value a bin, in order of the prediction;
    `upper`: whether its rows were decided as class 1. Where a threshold lies within a bin, its rows of each decision
    come one after the other; `places` are the bins' numbers (none: each entry is a bin of its own).
    `losses` and `paired` (this model's loss less the other's): (means, variances) a bin. `scored` and `scores` (means,
    variances of the prediction) are of all rows with a prediction, judged or not; the rest is of those judged."""

    model: str
    slice_key: str | None
    slice_value: str | None
    total: int
    known: int
    upper: npt.NDArray[np.bool_]
    rows: Array
    labels: tuple[Array, Array]
    predicted: Array
    losses: Mapping[str, tuple[Array, Array]]
    paired: Mapping[str, tuple[Array, Array]]
    scored: Array = field(default_factory=lambda: np.zeros(0))
    scores: tuple[Array, Array] = field(default_factory=lambda: (np.zeros(0), np.zeros(0)))
    places: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def n(self) -> int:
        """Rows with a label."""
        return int(self.rows.sum())

    @cached_property
    def label(self) -> Moments:
        """Moments of the label."""
        return Moments.merged(self.rows, *self.labels)

    @cached_property
    def positives(self) -> Array:
        """Rows of class 1, a bin."""
        return np.rint(self.rows * self.labels[0])

    @cached_property
    def negatives(self) -> Array:
        """Rows of class 0, a bin."""
        return self.rows - self.positives

    @property
    def tied(self) -> float:
        """Half the share of (positive, negative) pairs that fall in one bin."""
        pairs = float(self.positives.sum() * self.negatives.sum())
        ones, zeros = (self.by_bin(part) for part in (self.positives, self.negatives))
        return 0.5 * float((ones * zeros).sum()) / pairs if pairs else 0.0

    def by_bin(self, values: Array) -> Array:
        """The sums over the entries of each bin."""
        if not len(self.places):
            return values
        return np.bincount(np.unique(self.places, return_inverse=True)[1], values).astype(float)

    @property
    def confusion(self) -> tuple[float, float, float, float]:
        """True positives, false positives, false negatives, true negatives, as it was decided."""
        hit, false = float(self.positives[self.upper].sum()), float(self.negatives[self.upper].sum())
        return hit, false, float(self.positives.sum()) - hit, float(self.negatives.sum()) - false

    def loss(self, metric: str) -> Moments:
        """Moments of a metric's row-wise loss."""
        return Moments.merged(self.rows, *self.losses[metric])

    def paired_loss(self, metric: str) -> Moments:
        """Moments of this model's row-wise loss less the other's on the same row."""
        return Moments.merged(self.rows, *self.paired[metric])


def proportion(hits: float, rows: float) -> Estimate | None:
    """A share with its binomial standard error; None without rows."""
    if not rows:
        return None
    share = hits / rows
    return Estimate(share, math.sqrt(share * (1 - share) / rows))
