"""The one Spark pass: rows with label and prediction in, a `Tally` for each model and slice out.

Binary probabilities fall into `BINS` bins (`SLICE_BINS` for slices) that are fine both around the middle and near 0
and 1: their edges are even in the mean of p and its logit scaled to [0, 1]. Any metric that needs only the order of
the probabilities is as exact as the bins are fine; see `Tally.tied`. Rows decided as 1 are counted apart from the
others of their bin, so that what depends on the decision is exact wherever its threshold lies.
Of a multiclass task the predicted class is judged: its probability is binned, and what is true of it is whether it is
the label. Predictions of a regression fall into bins by sign and size, sixteen an octave: any unit, no edges to agree
on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.core.identifiers import quoted

from .measure import losses
from .tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

BINS, SLICE_BINS = 4096, 512
NO_VALUE = "(null)"
_CLIPPED = "least(greatest(p, 1e-15D), 1 - 1e-15D)"
_PLACE = f"({_CLIPPED} + least(greatest((ln({_CLIPPED}) - ln(1 - {_CLIPPED})) / 36 + 0.5D, 0D), 1D)) / 2"
_HALF = BINS // 2
DECIDED = 0.5
"""A probability above it is decided as class 1 where nothing else is said."""
_BIN = (f"CAST(IF(p > 0.5D, greatest(ceil({_PLACE} * {BINS}) - 1, {_HALF}), "
        f"least(ceil({_PLACE} * {BINS}) - 1, {_HALF - 1})) AS INT)")
_OCTAVES = ("CAST(IF(p IS NULL OR isnan(p) OR p = 0, 0, "
            "signum(p) * greatest(least(floor(log2(abs(p)) * 16) + 4000, 8000), 1)) AS INT)")


def answer(task: str) -> Column:
    """What a row of predictions (`models.fitted.outputs`) is judged by, `p` of `tally`: the probability of class 1, the
    predicted number, or of several classes a struct of the predicted one's `chance`, its number `class`, and the
    probability of `each`."""
    from pyspark.sql import functions as F

    if task != "multiclass":
        return F.col("probability" if task == "binary" else "prediction")
    whole = F.struct(F.col("probability").alias("chance"), F.col("prediction").alias("class"),
                     F.col("probabilities").alias("each"))
    return F.when(F.col("probability").isNotNull(), whole)


def decision(task: str) -> Column:
    """What a row of predictions was decided as, `d` of `tally`: whether as class 1."""
    from pyspark.sql import functions as F

    return F.lit(True) if task == "multiclass" else F.col("prediction") == 1


def side_by_side(rows: DataFrame, models: Mapping[str, str], slices: Sequence[str],
                 decided: Mapping[str, Column] | None = None) -> DataFrame:
    """Rows for `tally` from rows that hold `label` and one column of answers for each of one or two models
    (name -> column), and what each of them decided (name -> boolean; else above `DECIDED`). With two, each is the
    other's partner in paired differences."""
    from pyspark.sql import functions as F

    columns = [F.col(column) for column in models.values()]
    known = decided or {}
    yes = [known.get(name, value > DECIDED) for name, value in zip(models, columns, strict=True)]
    sides = [F.struct(F.lit(name).alias("model"), own.alias("p"), other.alias("q"), mine.alias("d"), its.alias("e"))
             for name, own, other, mine, its in zip(models, columns, reversed(columns), yes, reversed(yes),
                                                    strict=True)]
    return rows.select(F.inline(F.array(*sides)), F.col("label").alias("y"), F.lit(True).alias("known"),
                       slices_of(slices).alias("slices"))


def slices_of(columns: Sequence[str]) -> Column:
    """The slices that a row belongs to, for `tally`: all rows (both null), and its value of each column."""
    from pyspark.sql import functions as F

    none = F.lit(None).cast("string")
    pairs = [(F.lit(name), F.coalesce(F.col(quoted(name)).cast("string"), F.lit(NO_VALUE))) for name in columns]
    return F.array(*(F.struct(key.alias("slice_key"), value.alias("slice_value")) for key, value in
                     [(none, none), *pairs]))


def tally(rows: DataFrame, *, task: str, paired: bool = False) -> list[Tally]:
    """Tallies of rows with columns `model`, `y` (null: not to be judged), `p` (see `answer`), `d` (see `decision`),
    `known` (whether the outcome is known), `slices` (see `slices_of`) and, when `paired`, `q` and `e` (the other
    model's prediction and decision for the row).

    One action. Ordered by model, slice key and slice value; the tally over all rows (slice key None) comes first."""
    kinds = losses(task)
    measures = _measures(task, list(kinds.values()), paired=paired)
    grouped = _binned(rows, task, measures).groupBy("model", "slice_key", "slice_value", "bin", "decided")
    return _tallies(grouped.agg(*_aggregates(list(measures))).toArrow(), kinds, list(measures), task, paired=paired)


def _measures(task: str, expressions: list[str], *, paired: bool) -> dict[str, str]:
    """Output name to SQL over y, p, d, q, e: the label, each loss once, and each paired difference."""
    found = {"y": "CAST(p.class = y AS DOUBLE)" if task == "multiclass" else "y"}
    for i, expression in enumerate(dict.fromkeys(expressions)):
        found[f"loss_{i}"] = expression
        if paired:
            found[f"paired_{i}"] = f"{expression} - {_for_other(expression)}"
    # A row without a label has no loss, whatever the expression makes of null.
    return {name: f"IF(y IS NULL, NULL, {sql})" for name, sql in found.items()}


def _for_other(expression: str) -> str:
    """The loss of the other model: `p` read as `q`, `d` as `e`."""
    return re.sub(r"\bd\b", "e", re.sub(r"\bp\b", "q", expression))


def _binned(rows: DataFrame, task: str, measures: Mapping[str, str]) -> DataFrame:
    """One row a row and slice, with its bin and the measures."""
    from pyspark.sql import functions as F

    regression, score = task == "regression", "p.chance" if task == "multiclass" else "p"
    judged = rows.withColumn("y", F.expr("IF(p IS NULL, NULL, y)"))
    place = F.expr(re.sub(r"\bp\b", score, _OCTAVES if regression else _BIN))
    # Judged rows only carry a p, so that the mean prediction is over the rows that have a label.
    decided = F.lit(False) if regression else F.coalesce("d", F.lit(False))
    columns = (F.expr(sql).alias(name) for name, sql in measures.items())
    wide = judged.select("model", "known", F.expr(f"IF(y IS NULL, NULL, {score})").alias("p"), place.alias("place"),
                         decided.cast("int").alias("decided"), F.expr(score).alias("score"), *columns, "slices")
    long = wide.select("*", F.inline("slices")).drop("slices")
    if regression:
        return long.withColumnRenamed("place", "bin")
    coarse = F.when(F.col("slice_key").isNull(), F.col("place")).otherwise(
        F.floor(F.col("place") / F.lit(BINS // SLICE_BINS)).cast("int"))
    return long.withColumn("bin", coarse)


def _aggregates(measures: list[str]) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.count("*").alias("total"), F.count_if(F.col("known")).alias("known"), F.count("y").alias("n"),
            F.avg("p").alias("predicted"), F.count("score").alias("scored"),
            F.avg("score").alias("score_mean"), F.var_pop("score").alias("score_variance"),
            *(F.avg(name).alias(f"{name}_mean") for name in measures),
            *(F.var_pop(name).alias(f"{name}_variance") for name in measures)]


def _tallies(table: pa.Table, kinds: Mapping[str, str], measures: list[str], task: str, *,
             paired: bool) -> list[Tally]:
    data: dict[str, Any] = {name: _array(table.column(name)) for name in table.column_names}
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, key in enumerate(zip(data["model"], data["slice_key"], data["slice_value"], strict=True)):
        groups.setdefault(key, []).append(i)
    places = {expression: i for i, expression in enumerate(dict.fromkeys(kinds.values()))}
    result = []
    for (model, slice_key, value), found in sorted(groups.items()):
        index = np.array(found)[np.lexsort((data["decided"][found], data["bin"][found]))]

        def moments(name: str, index: Any = index) -> tuple[Any, Any]:
            return data[f"{name}_mean"][index], data[f"{name}_variance"][index]

        result.append(Tally(
            model, slice_key or None, value if slice_key else None,
            int(data["total"][index].sum()), int(data["known"][index].sum()),
            data["decided"][index].astype(bool), data["n"][index].astype(float), moments("y"),
            data["predicted"][index],
            {metric: moments(f"loss_{places[sql]}") for metric, sql in kinds.items()},
            {metric: moments(f"paired_{places[sql]}") for metric, sql in kinds.items()} if paired else {},
            data["scored"][index].astype(float), moments("score"), data["bin"][index]))
    return result


def _array(column: pa.ChunkedArray) -> Any:
    """Nulls become 0 or an empty text: a bin without judged rows weighs nothing. NaN from a NaN prediction stays."""
    import pyarrow as pa

    return column.fill_null("" if pa.types.is_string(column.type) else 0).to_numpy()
