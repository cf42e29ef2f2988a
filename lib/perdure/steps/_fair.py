"""Training that weighs groups, or classes, against each other, and what weighing groups changes: before, after, and the
cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError, UsageError
from perdure.core.identifiers import quoted
from perdure.evaluation import fairness, measure, reweighing, scan

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

GROUP, WEIGHT, UNFAIR = "group", "weight", "weight_without_groups"
MOST = 50
_SHOWN = ("log_loss", "area_under_roc", "accuracy", "precision", "recall", "brier")


def weights(rows: DataFrame, pipeline: Pipeline) -> dict[reweighing.Cell, float]:
    """The weight of a training row by group and label; empty where the pipeline doesn't ask for it. One job where
    there are groups. Raises UsageError when the task isn't binary or the column isn't there, PerdureError when it has
    too many values."""
    wanted = pipeline.model.fairness
    if wanted is None:
        return {}
    if pipeline.model.task != "binary":
        raise UsageError(f"model.fairness is for a binary task; this one is {pipeline.model.task}")
    if wanted.group not in rows.columns:
        raise UsageError(f"model.fairness.group must be a column of the features; there is no {wanted.group}, only "
                         f"{', '.join(name for name in rows.columns if name != 'label')}")
    counts = rows.groupBy(_group(wanted.group).alias(GROUP), "label").count().limit(2 * MOST + 1).collect()
    if len(counts) > 2 * MOST:
        raise PerdureError(f"model.fairness.group must have at most {MOST} values; {wanted.group} has more. Put them "
                           "into fewer groups in the features' SQL")
    if wanted.method != "reweighing":
        return {}
    return reweighing.weights({(row[GROUP], float(row["label"])): int(row["count"]) for row in counts})


def columns(pipeline: Pipeline, found: Mapping[reweighing.Cell, float], classes: Mapping[str, int]) -> list[Column]:
    """A training row's group, where there are groups, and its weight, where there are weights; where both groups and
    classes (`classes`: their rows) weigh, also the weight `UNFAIR` of the class alone."""
    from pyspark.sql import functions as F

    wanted = pipeline.model.fairness
    group = F.lit("") if wanted is None else _group(wanted.group)
    made = [] if wanted is None else [group.alias(GROUP)]
    own = F.lit(1.0)
    if pipeline.model.prepare.imbalance == "balance":
        for label, number in sorted(reweighing.balanced(classes).items()):
            own = F.when(F.col("label") == float(label), F.lit(number)).otherwise(own)
        made += [own.alias(UNFAIR if found else WEIGHT)]
    if not found:
        return made
    weight = F.lit(1.0)
    for (value, of), number in sorted(found.items()):
        weight = F.when((group == value) & (F.col("label") == of), F.lit(number)).otherwise(weight)
    return [*made, (weight * own).alias(WEIGHT)]


def unfair(rows: DataFrame) -> DataFrame:
    """Training rows that groups don't weigh."""
    plain = rows.drop(WEIGHT) if GROUP in rows.columns else rows
    return plain.withColumnRenamed(UNFAIR, WEIGHT)


def _group(column: str) -> Column:
    from pyspark.sql import functions as F

    return F.coalesce(F.col(quoted(column)).cast("string"), F.lit(scan.NO_VALUE))


def shown(rows: DataFrame, pipeline: Pipeline, decided: Mapping[str, Column] | None = None) -> dict[str, Any]:
    """The fact `mitigation`: metrics and group fairness `before` and `after`, and their difference as `cost`.

    `rows`: label, group, and the probabilities `_before` and `_after`, of rows that neither model was fitted on;
    `decided`: what either decided, where that isn't above one half. One Spark action."""
    tallies = scan.tally(scan.side_by_side(rows, {"before": "_before", "after": "_after"}, [GROUP], decided),
                         task="binary")
    told: dict[str, Any] = {"group": pipeline.model.fairness.group if pipeline.model.fairness else ""}
    for tally in (each for each in tallies if each.slice_key is None):
        metrics = {name: each.value for name, each in measure.measure(tally, "binary").items() if name in _SHOWN}
        groups = fairness.groups(tallies, tally.model, GROUP)
        told[tally.model] = {
            "rows": tally.n, "metrics": metrics, "fairness": fairness.measured(groups),
            "groups": [{"value": each.value, "rows": each.rows, **each.rates} for each in groups]}
    told["cost"] = {name: told["after"]["metrics"][name] - value
                    for name, value in told["before"]["metrics"].items() if name in told["after"]["metrics"]}
    return told
