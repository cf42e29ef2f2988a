"""The share of the label's variance that the predictions explain; 0 is as good as the mean, below 0 is worse."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally

tasks = ("regression",)
direction = "higher"
loss = "(p - y) * (p - y)"


def measure(tally: Tally) -> Estimate | None:
    """1 - SSE / SST, exact; None when the label doesn't vary. The standard error takes SST as given."""
    square = tally.loss("r2").estimate()
    if square is None or not tally.label.m2:
        return None
    scale = tally.label.n / tally.label.m2
    return Estimate(1 - square.value * scale, None if square.error is None else square.error * scale)


def difference(a: Tally, b: Tally) -> Estimate | None:
    """`a`'s r2 less `b`'s on the same rows, from the paired difference of squares."""
    paired = a.paired_loss("r2").estimate()
    if paired is None or not a.label.m2:
        return None
    scale = a.label.n / a.label.m2
    return Estimate(-paired.value * scale, None if paired.error is None else paired.error * scale)
