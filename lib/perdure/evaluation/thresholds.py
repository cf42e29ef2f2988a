"""Thresholds from tallies of labelled rows that the model wasn't trained on: where mistakes cost least, and where
groups fare alike. Arithmetic; no Spark.

The cheapest threshold: Elkan (2001), "The foundations of cost-sensitive learning"; found on the rows rather than from
the costs alone, since probabilities may be off. One for each group: Hardt, Price and Srebro (2016), "Equality of
opportunity in supervised learning", without their coin: each row's class is certain, so that rates are as equal as the
probability grid lets them be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from .tally import Array, Tally

Rate = Literal["selection_rate", "true_positive_rate"]


def cheapest(tally: Tally, false_positive: float, false_negative: float) -> float:
    """The threshold whose mistakes cost least; of several, the one nearest to that which the costs alone call for."""
    cuts, alarms, hits = _cuts(tally)
    cost = false_positive * (alarms - hits) + false_negative * (hits[0] - hits)
    best = cuts[cost <= cost.min() + 1e-9 * max(1.0, abs(float(cost.min())))]
    wanted = false_positive / (false_positive + false_negative)
    return float(best[np.argmin(np.abs(best - wanted))])


def decided(tally: Tally, threshold: float) -> Tally:
    """The same rows, decided anew; a bin goes as a whole, by its mean."""
    return replace(tally, upper=tally.predicted > threshold)


def cost(tally: Tally, false_positive: float, false_negative: float) -> float:
    """What the mistakes of a tally cost a row, as it was decided."""
    _, false, missed, _ = tally.confusion
    return (false_positive * false + false_negative * missed) / tally.n


def rate(tally: Tally, name: Rate, threshold: float) -> float | None:
    """The share of rows above a threshold: of all (selection), of those of class 1 (true positive); None without."""
    hit, false, missed, _ = decided(tally, threshold).confusion
    above, whole = (hit + false, float(tally.n)) if name == "selection_rate" else (hit, hit + missed)
    return above / whole if whole else None


def matching(tally: Tally, name: Rate, wanted: float) -> float | None:
    """The threshold whose rate comes nearest to `wanted` (of several, the highest); None without rows that count."""
    cuts, alarms, hits = _cuts(tally)
    reached = alarms if name == "selection_rate" else hits
    if not reached[0]:
        return None
    away = np.abs(reached / reached[0] - wanted)
    return float(cuts[np.flatnonzero(away <= away.min() + 1e-12)[-1]])


def _cuts(tally: Tally) -> tuple[Array, Array, Array]:
    """Thresholds, rising: below all rows, between each two bins with rows, above all; and the rows above each, and
    those of class 1 among them."""
    filled = np.flatnonzero(tally.rows > 0)
    filled = filled[np.argsort(tally.predicted[filled], kind="stable")]
    scores, rows, ones = (part[filled] for part in (tally.predicted, tally.rows, tally.positives))
    cuts = np.r_[0.0, (scores[1:] + scores[:-1]) / 2, 1.0]
    return cuts, *(np.r_[np.cumsum(part[::-1])[::-1], 0.0] for part in (rows, ones))
