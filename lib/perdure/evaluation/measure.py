"""Metrics of tallies: by name, all of a task, and one model against another."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from perdure.core import registry
from perdure.core.config import BusinessValue
from perdure.core.errors import UsageError

from .tally import Estimate, Tally


def metric(name: str, task: str) -> ModuleType:
    """The metric's module. Raises UsageError when there is none, or when it isn't for `task`."""
    module = registry.load("perdure.evaluation.metrics", name)
    if task not in module.tasks:
        raise UsageError(f"the metric '{name}' is for {', '.join(module.tasks)}, not {task}; "
                         f"for {task} there are: {', '.join(names(task))}")
    return module


def names(task: str) -> list[str]:
    """The metrics of a task."""
    found = registry.names("perdure.evaluation.metrics")
    return [name for name in found if task in registry.load("perdure.evaluation.metrics", name).tasks]


def losses(task: str) -> dict[str, str]:
    """Metric name to its row-wise loss (SQL over y and p), for the metrics that have one."""
    modules = {name: metric(name, task) for name in names(task)}
    return {name: getattr(module, f"loss_{task}", module.loss) for name, module in modules.items()
            if hasattr(module, "loss")}


def lower_is_better(name: str, task: str) -> bool:
    """The metric's direction."""
    return bool(metric(name, task).direction == "lower")


def measure(tally: Tally, task: str) -> dict[str, Estimate]:
    """Every metric of the task that is defined for the tally, and `base_rate` (binary) or `mean_label`, and
    `mean_prediction`."""
    found = {name: metric(name, task).measure(tally) for name in names(task)}
    if task != "multiclass":
        found["base_rate" if task == "binary" else "mean_label"] = tally.label.estimate()
    if tally.n:
        found["mean_prediction"] = Estimate(float((tally.rows * tally.predicted).sum() / tally.rows.sum()))
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def business_value(tally: Tally, worth: BusinessValue) -> Estimate | None:
    """The mean worth of a prediction, with the standard error of the multinomial; None without rows."""
    rows = float(tally.rows.sum())
    if not rows:
        return None
    shares = np.array(tally.confusion) / rows
    values = np.array([worth.true_positive, worth.false_positive, worth.false_negative, worth.true_negative])
    mean = float((shares * values).sum())
    return Estimate(mean, math.sqrt(max(float((shares * values**2).sum()) - mean**2, 0.0) / rows))


def confusion(tally: Tally) -> dict[str, float]:
    """Rows of each kind, as it was decided; parts of rows where they are expected ones."""
    kinds = ("true_positive", "false_positive", "false_negative", "true_negative")
    return dict(zip(kinds, tally.confusion, strict=True))


def improvement(name: str, task: str, candidate: Tally, champion: Tally) -> Estimate | None:
    """By how much the candidate is better (positive) on the same rows.

    Metrics with a row-wise loss: the paired difference and its standard error. Others: the difference, with the root
    of the summed squares of both errors; that ignores how alike two models on the same rows are, so it errs towards
    "no difference"."""
    module = metric(name, task)
    if hasattr(module, "difference"):
        found = module.difference(candidate, champion)
    elif hasattr(module, "loss"):
        found = candidate.paired_loss(name).estimate()
    else:
        found = _apart(module.measure(candidate), module.measure(champion))
    if found is None:
        return None
    sign = -1.0 if module.direction == "lower" else 1.0
    return Estimate(sign * found.value + 0.0, found.error, found.bound)


def _apart(a: Estimate | None, b: Estimate | None) -> Estimate | None:
    if a is None or b is None:
        return None
    error = None if a.error is None or b.error is None else math.hypot(a.error, b.error)
    return Estimate(a.value - b.value, error, a.bound + b.bound)


def calibration(tally: Tally, bins: int = 10) -> list[dict[str, Any]]:
    """Up to `bins` groups of about equal size, by rising probability: mean probability, observed share of class 1
    with its 95 % Wilson interval (Wilson 1927), rows."""
    if not tally.n:
        return []
    middle = (np.cumsum(tally.rows) - tally.rows / 2) / tally.rows.sum()
    groups = np.minimum((middle * bins).astype(int), bins - 1)
    result = []
    for group in range(bins):
        chosen = groups == group
        rows = float(tally.rows[chosen].sum())
        if rows:
            ones = float(tally.positives[chosen].sum())
            low, high = wilson(ones, rows)
            mean = float((tally.rows * tally.predicted)[chosen].sum() / rows)
            result.append({"predicted": mean, "observed": ones / rows, "low": low, "high": high, "rows": int(rows)})
    return result


def wilson(hits: float, rows: float, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    share = hits / rows
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, centre - reach), min(1.0, centre + reach)  # by a last bit beyond them, of none and of all
