"""Performance to be expected before labels come, from the predictions alone. Arithmetic on tallies; no Spark, no rows.

Binary (CBPE, confidence-based performance estimation, as NannyML defines it): a row with the calibrated chance c is
counted as c of a positive and 1 - c of a negative. With several classes the predicted one takes the place of the
positive: its calibrated chance is that of being right, and the accuracy to be expected. Regression (DLE, direct loss
estimation): a row is expected to lose what rows with a like prediction lost on the reference; NannyML fits a boosted
tree on all features there, this one knows the prediction alone.

Both rest on the champion's own evaluation, whose tally has all that they need, so that nothing more is scanned; and
both take for granted that the relation of features to label still holds. Where it doesn't, realised performance departs
from what was expected by more than chance: `error` says by how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from .measure import metric, names
from .tally import Array, Estimate, Moments, Tally

_GROUPS = 10
_DOUBT = 0.05  # a fit worse than chance makes it in this share of cases calls for calibration
_CELL = 30  # rows that a cell of the loss curve holds at least


@dataclass(frozen=True)
class Estimator:
    """What the reference taught: straight lines between `scores` (predictions, rising), level outside of them.
    `chances`: of class 1 (binary). `losses`: metric -> mean loss and its variance (regression)."""

    scores: tuple[float, ...]
    chances: tuple[float, ...] = ()
    losses: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)

    def chance(self, scores: Array) -> Array:
        """The calibrated chance of class 1."""
        return np.interp(scores, self.scores, self.chances)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        losses = {name: [list(part) for part in parts] for name, parts in self.losses.items()}
        return {"scores": list(self.scores), "chances": list(self.chances), "losses": losses}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimator:
        """The inverse of `to_dict`."""
        losses = {name: (tuple(mean), tuple(spread)) for name, (mean, spread) in data["losses"].items()}
        return cls(tuple(data["scores"]), tuple(data["chances"]), losses)


PLAIN = Estimator((0.0, 1.0), (0.0, 1.0))  # probabilities as the model gives them


def fit(tally: Tally, task: str) -> Estimator | None:
    """The estimator that a tally of labelled rows, unseen in training, teaches; None without such rows."""
    if not tally.n:
        return None
    if task != "regression":
        return calibrated(tally) if misfit(tally) < _DOUBT else PLAIN
    return _losses(tally)


def calibrated(tally: Tally) -> Estimator:
    """Isotonic regression of the label on the bins' mean probabilities, weighted by rows; scikit-learn's where each
    probability has its own bin."""
    from scipy.optimize import isotonic_regression

    filled = tally.rows > 0
    scores = tally.predicted[filled]
    order = np.argsort(scores, kind="stable")
    level = isotonic_regression(tally.labels[0][filled][order], weights=tally.rows[filled][order]).x
    level = np.clip(level, 0, 1)
    inner = np.r_[False, (level[1:-1] == level[:-2]) & (level[1:-1] == level[2:]), False][: len(level)]
    return Estimator(tuple(scores[order][~inner].tolist()), tuple(level[~inner].tolist()))


def misfit(tally: Tally) -> float:
    """The chance of labels as far from their probabilities, by tenths of the rows, as these (Hosmer and Lemeshow 1980;
    ten degrees of freedom, the rows being unseen in training): small where the probabilities are off."""
    from scipy.stats import chi2

    middle = (np.cumsum(tally.rows) - tally.rows / 2) / tally.rows.sum()
    groups = np.minimum((middle * _GROUPS).astype(int), _GROUPS - 1)
    rows, ones, sure = (np.bincount(groups, part, _GROUPS) for part in
                        (tally.rows, tally.positives, tally.rows * tally.predicted))
    seen = rows > 0
    mean = np.clip(sure[seen] / rows[seen], 1e-12, 1 - 1e-12)
    distance = ((ones[seen] - rows[seen] * mean) ** 2 / (rows[seen] * mean * (1 - mean))).sum()
    return float(chi2.sf(distance, int(seen.sum())))


def _losses(tally: Tally) -> Estimator:
    """The mean loss by size of the prediction, neighbouring bins joined until each holds enough rows."""
    filled = np.flatnonzero(tally.rows > 0)
    filled = filled[np.argsort(tally.predicted[filled], kind="stable")]
    starts, held = [0], 0.0
    for place, rows in enumerate(tally.rows[filled][:-1]):
        held += rows
        if held >= _CELL:
            starts.append(place + 1)
            held = 0.0
    if len(starts) > 1 and tally.rows[filled][starts[-1]:].sum() < _CELL:
        starts.pop()
    parts = np.split(filled, starts[1:])
    merged = {name: [Moments.merged(tally.rows[part], mean[part], spread[part]) for part in parts]
              for name, (mean, spread) in tally.losses.items()}
    scores = [float(np.average(tally.predicted[part], weights=tally.rows[part])) for part in parts]
    return Estimator(tuple(scores), (), {
        name: (tuple(cell.mean for cell in cells), tuple(cell.m2 / cell.n for cell in cells))
        for name, cells in merged.items()})


class Expectation(Tally):
    """A tally whose labels are chances: parts of rows are positive."""

    @cached_property
    def positives(self) -> Array:
        """Expected rows of class 1, a bin."""
        return self.rows * self.labels[0]

    @property
    def tied(self) -> float:
        """How far the order of a bin's rows could move the area, were chances within it as far apart as from bin to
        bin: two rows in the wrong order cost half the difference of their chances."""
        filled = self.rows > 0
        pairs = float(self.positives.sum() * self.negatives.sum())
        if not pairs or filled.sum() < 2:
            return 0.0
        step = np.abs(np.gradient(self.labels[0][filled]))
        return float((self.rows[filled] ** 2 * step).sum() / 4 / pairs)


def expect(tally: Tally, estimator: Estimator, task: str, *, judged: bool = False) -> Expectation:
    """The tally to be expected of all scored rows, or of the `judged` ones alone.

    Within a bin the predictions count as two halves, a standard deviation below and above their mean, which has the
    same mean and variance."""
    rows = tally.rows if judged else tally.scored
    mean = tally.predicted if judged else tally.scores[0]
    sides = _sides(mean, np.sqrt(np.maximum(tally.scores[1], 0)), task)
    if task != "regression":
        chances = [estimator.chance(side) for side in sides]
        middle = (chances[0] + chances[1]) / 2
        labels = (middle, middle * (1 - middle))
        losses = {name: _chance_loss(metric(name, task).loss_of, sides, chances) for name in tally.losses
                  if task == "binary" and hasattr(metric(name, task), "loss_of")}
    else:
        labels = (np.zeros_like(mean), np.zeros_like(mean))
        losses = {name: (np.interp(mean, estimator.scores, parts[0]), np.interp(mean, estimator.scores, parts[1]))
                  for name, parts in estimator.losses.items()}
    plain = {**vars(tally), "rows": rows, "labels": labels, "predicted": mean, "losses": losses, "paired": {}}
    return Expectation(**{name: plain[name] for name in Tally.__dataclass_fields__})


def _sides(mean: Array, spread: Array, task: str) -> tuple[Array, Array]:
    low, high = mean - spread, mean + spread
    if task == "regression":
        return low, high
    return np.maximum(low, 0), np.minimum(high, 1)


def _chance_loss(loss_of: Any, sides: tuple[Array, Array], chances: list[Array]) -> tuple[Array, Array]:
    """Mean and variance of a loss whose label is 1 with the given chances, over both halves."""
    mean = second = np.zeros_like(sides[0])
    for side, chance in zip(sides, chances, strict=True):
        one, none = loss_of(1, side), loss_of(0, side)
        mean = mean + (chance * one + (1 - chance) * none) / 2
        second = second + (chance * one**2 + (1 - chance) * none**2) / 2
    return mean, np.maximum(second - mean**2, 0)


def measure(expectation: Expectation, task: str) -> dict[str, Estimate]:
    """Every metric of the task whose expectation is known, and `base_rate` (binary). The error is that of sampling: how
    far the realised value will lie from the expected one though all is as on the reference."""
    found: dict[str, Estimate | None] = {}
    for name in names(task):
        module = metric(name, task)
        if hasattr(module, "expected"):
            found[name] = module.expected(expectation)
        elif not hasattr(module, "loss") or name in expectation.losses:
            found[name] = module.measure(expectation)
    if task == "binary":
        found["base_rate"] = expectation.label.estimate()
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def error(expected: Estimate, realised: Estimate) -> Estimate:
    """Expected less realised on the same rows. Its error is the sampling error of the expectation: beyond its interval
    the labels no longer follow from the predictions as they did."""
    return replace(expected, value=expected.value - realised.value, bound=expected.bound + realised.bound)
