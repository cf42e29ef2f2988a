"""The share of rows whose class is right, as it was decided."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally, proportion

tasks = ("binary", "multiclass")
direction = "higher"
loss = "IF(d = (y = 1), 1D, 0D)"
loss_multiclass = "IF(p.class = y, 1D, 0D)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, between 0 and 1, with the standard error of the mean."""
    return tally.loss("accuracy").estimate()


def expected(tally: Tally) -> Estimate | None:
    """For chances instead of labels (`evaluation.expected`)."""
    hit, false, missed, rest = tally.confusion
    return proportion(hit + rest, hit + false + missed + rest)
