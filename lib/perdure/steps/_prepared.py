"""The rows of a training as its fits see them: checked, prepared, cached while it lasts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted
from perdure.features.times import at
from perdure.models import fitted, prepare

from . import _fair

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Two partitions up to half a million rows: two partial sums add up the same in either order, so a training repeats to
# the last bit on any machine. Beyond that, more partitions, and sums of doubles that may differ in the last bits.
ROWS_A_PARTITION = 250_000
# The share of the rows that all trials are run on, where it holds so many rows, and so many of the rarest class.
EARLY, EARLY_ROWS, EARLY_RAREST = 0.1, 100_000, 5_000
SAMPLE_STEPS = 1_000_000


@dataclass(frozen=True)
class Extent:
    """How many training rows there are about, and where their validation part begins."""

    rows: int
    split: datetime


@dataclass(frozen=True)
class Prepared:
    """The training rows, cached: `rows` as they are; `vectors` with `label` and `features_<encoding>`; `search` as
    vectors too, those that the search sees, with the flag `judging` (validation part); `early` the share of those
    that all trials are run on, where not all of them see all rows."""

    rows: DataFrame
    vectors: DataFrame
    search: DataFrame
    early: DataFrame
    share: float | None
    preparation: prepare.Preparation
    count: int
    weights: Mapping[tuple[str, float], float]
    classes: Mapping[str, int]


@contextmanager
def prepared(training: DataFrame, columns: list[str], pipeline: Pipeline, extent: Extent) -> Iterator[Prepared]:
    """Caches: the joined rows, which stay unless the block raises; their vectors, and those of the search, until it
    ends.

    Rows are placed by their key and ordered by it, so that every fit sees the same rows in the same order."""
    key, time, tune = pipeline.features.key, pipeline.features.event_time, pipeline.model.tune
    partitions = max(2, math.ceil(extent.rows / ROWS_A_PARTITION))
    rows = training.repartition(partitions, F.col(quoted(key))).sortWithinPartitions(F.col(quoted(key))).persist()
    caches = []
    try:
        classes = _check(rows, pipeline)
        wanted = pipeline.model.prepare
        preparation = prepare.fit(rows, columns, wanted.categories, wanted.dates)
        weights = _fair.weights(rows, pipeline)
        encodings = sorted({fitted.family(name, pipeline.model.task).encoding for name in pipeline.model.families})
        label = F.col("label").alias("label", metadata=_label_metadata(pipeline))
        order = F.xxhash64(F.col(quoted(key))).alias("order")
        vectors = preparation.apply(rows, encodings).select(
            label, (F.col(quoted(time)) >= at(extent.split)).alias("judging"), order,
            *(f"features_{name}" for name in encodings), *_fair.columns(pipeline, weights, classes))
        caches.append(vectors.persist())
        count = vectors.count()
        search = _some(vectors, tune.sample, count)
        early = _early(pipeline, count, classes)
        first = _some(vectors, tune.sample * early, count) if early else search
        caches += [each.persist() for each in {vectors, search, first} - {vectors}]
        yield Prepared(rows, vectors, search, first, early, preparation, count, weights, classes)
    except BaseException:
        rows.unpersist()
        raise
    finally:
        for cache in caches:
            cache.unpersist()


def _label_metadata(pipeline: Pipeline) -> dict[str, Any]:
    """Tells MLlib how many classes there are, which spares each tree fit a pass over the rows to find out."""
    classes = [str(float(each)) for each in _classes(pipeline)]
    return {"ml_attr": {"type": "nominal", "vals": classes, "name": "label"}} if classes else {}


def _check(rows: DataFrame, pipeline: Pipeline) -> dict[str, int]:
    """The label's values and the key's uniqueness; fills the cache on the way. Gives the rows of each class."""
    key, classes = pipeline.features.key, _classes(pipeline)
    by_key = rows.groupBy(F.col(quoted(key)).alias("key")).agg(F.count("*").alias("n"), F.min("label").alias("label"))
    found = by_key.agg(F.sum("n").alias("rows"), F.expr("count_if(n > 1)").alias("twice"),
                       F.array(*(F.expr(f"count_if(label = {each})") for each in classes)).alias("classes"),
                       F.count_distinct("label").alias("kinds"),
                       F.max(F.when(F.col("n") > 1, F.col("key").cast("string"))).alias("example")).collect()[0]
    if not found["rows"]:
        raise PerdureError("training needs rows: no label in the training window meets a row of features. Check that "
                           f"the label's source and the features share the key '{key}'")
    if found["twice"]:
        raise PerdureError(f"each key must occur once in features and in labels: {found['twice']} values of '{key}' "
                           f"occur more often, such as {found['example']!r}. Mend the features' SQL or set the "
                           "sources' key so that doubles are dropped")
    if pipeline.model.task == "binary":
        _check_classes(found["rows"], *found["classes"])
    elif pipeline.model.task == "multiclass" and found["kinds"] < 2:
        raise PerdureError(f"a model needs rows of two classes or more; all {found['rows']} training rows have one "
                           "label. Lengthen train.window, or mend label.expression")
    return {str(each): rows for each, rows in zip(classes, found["classes"], strict=True)}


def _classes(pipeline: Pipeline) -> range:
    """The labels of a task with classes."""
    return range(0 if pipeline.model.task == "regression" else len(pipeline.label.classes) or 2)


def _check_classes(rows: int, zeros: int, ones: int) -> None:
    if zeros + ones != rows:
        raise PerdureError(f"a binary label must be 0 or 1 (or null: no outcome); {rows - zeros - ones} of {rows} "
                           "training rows have something else. Mend label.expression, or use task: regression")
    if not zeros or not ones:
        raise PerdureError(f"a binary model needs rows of both classes; all {rows} training rows have the label "
                           f"{int(bool(ones))}. Lengthen train.window, or mend label.expression")


def _some(vectors: DataFrame, share: float, count: int) -> DataFrame:
    """This share of all rows, by `order`, a hash of the key; those of a smaller share are among those of a larger one.
    Trials run side by side: each needs no more tasks than its rows are worth. Which rows share a task, and their order,
    depend on nothing else: MLlib draws its samples by task."""
    if share == 1:
        return vectors
    few = max(1, math.ceil(count * share / ROWS_A_PARTITION))
    some = vectors.where(F.pmod("order", F.lit(SAMPLE_STEPS)) < math.ceil(share * SAMPLE_STEPS))
    return some.repartition(few, "order").sortWithinPartitions("order")


def _early(pipeline: Pipeline, count: int, classes: Mapping[str, int]) -> float | None:
    """The share of the search's rows that all trials are run on first; None: they see all of them, as they would anyway
    where each is its family's only one."""
    tune = pipeline.model.tune
    if tune.early is not None:
        return tune.early if tune.early < 1 else None
    if tune.trials <= len(pipeline.model.families):
        return None
    share = EARLY * tune.sample
    enough = share * count >= EARLY_ROWS and share * min(classes.values(), default=count) >= EARLY_RAREST
    return EARLY if enough else None
