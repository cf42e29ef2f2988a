"""From probabilities to classes: the thresholds that a training learns where the pipeline asks for it, and what they
change on the rows that they were learnt on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.core.config import Fairness, Pipeline
from perdure.core.errors import UsageError
from perdure.evaluation import scan, thresholds
from perdure.models.decision import Decision

from . import _fair

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def asked(pipeline: Pipeline) -> bool:
    """Whether the pipeline wants any other threshold than 0.5. Raises UsageError when the task isn't binary."""
    wanted = pipeline.model.decision is not None or _by_group(pipeline) is not None
    if wanted and pipeline.model.task != "binary":
        raise UsageError(f"model.decision is for a binary task; this one is {pipeline.model.task}")
    return wanted


def learnt(rows: DataFrame, pipeline: Pipeline) -> tuple[Decision, dict[str, Any]]:
    """The thresholds, and facts: `decision` (the threshold, what mistakes cost a row `before`, at 0.5, and `after`)
    and, with thresholds for groups, `mitigation` as `_fair.shown` gives it.

    `rows`: label, `p` and, where there are groups, `_fair.GROUP`, that the model was not fitted on. Two Spark actions
    at most. A group with fewer rows than `minimum_rows`, or without a name, has the threshold of all."""
    costs, by_group = pipeline.model.decision, _by_group(pipeline)
    whole, *groups = scan.tally(
        scan.side_by_side(rows, {"model": "p"}, [_fair.GROUP] if by_group else []), task="binary")
    facts: dict[str, Any] = {}
    threshold = scan.DECIDED
    if costs is not None:
        each = (costs.false_positive, costs.false_negative)
        threshold = thresholds.cheapest(whole, *each)
        after = thresholds.decided(whole, threshold)
        facts["decision"] = {"threshold": threshold, "false_positive": each[0], "false_negative": each[1],
                             "before": thresholds.cost(whole, *each), "after": thresholds.cost(after, *each)}
    if by_group is None:
        return Decision(threshold), facts
    found: dict[str, float] = {}
    wanted = thresholds.rate(whole, by_group.parity, threshold)
    for tally in groups:
        if wanted is not None and tally.n >= by_group.minimum_rows and tally.slice_value not in (None, scan.NO_VALUE):
            own = thresholds.matching(tally, by_group.parity, wanted)
            found |= {} if own is None else {str(tally.slice_value): own}
    return (decision := Decision(threshold, by_group.group, found)), {
        **facts, "mitigation": {**_changed(rows, pipeline, decision), "thresholds": found}}


def _by_group(pipeline: Pipeline) -> Fairness | None:
    fairness = pipeline.model.fairness
    return fairness if fairness is not None and fairness.method == "thresholds" else None


def _changed(rows: DataFrame, pipeline: Pipeline, decision: Decision) -> dict[str, Any]:
    from pyspark.sql import functions as F

    p, own = F.col("p"), decision.bound(F.col(_fair.GROUP))
    both = rows.withColumns({"_before": p, "_after": p, "_one": p > decision.threshold, "_own": p > own})
    return _fair.shown(both, pipeline, {"before": F.col("_one"), "after": F.col("_own")})
