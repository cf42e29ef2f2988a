"""Finds features that see the future: computed from what was known at a cut, rows up to the cut must not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval

from .build import AVAILABLE_AT, build, with_availability
from .times import at

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

# Sums of doubles may be taken in another order; what differs by less is equal.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """Of the `compared` rows with event time up to `cut`, `rows` differ; `columns`: in which, and in how many rows
    each. A row that appears or vanishes counts under `(row)`."""

    cut: datetime
    compared: int
    rows: int
    columns: Mapping[str, int]


def rows_that_differ(sources: Mapping[str, DataFrame], pipeline: Pipeline, interval: Interval,
                     cuts: Sequence[datetime]) -> list[Difference]:
    """One Difference a cut. All zero means that no feature of a row up to the cut used what became known after it.
    A feature that uses an outcome too early shows in rows shortly before the cut, so choose several cuts."""
    known = {name: with_availability(rows, pipeline, name) for name, rows in sources.items()}
    whole = build(known, pipeline, interval)
    return [_difference(whole, known, pipeline, interval, cut) for cut in cuts]


def _difference(whole: DataFrame, known: Mapping[str, DataFrame], pipeline: Pipeline, interval: Interval,
                cut: datetime) -> Difference:
    from pyspark.sql import functions as F

    key, event_time = pipeline.features.key, pipeline.features.event_time
    then = build({name: rows.where(F.col(AVAILABLE_AT) <= at(cut)) for name, rows in known.items()}, pipeline, interval)
    sides = [rows.where(F.col(quoted(event_time)) <= at(cut)).select(F.col(quoted(key)).alias("k"),
             F.struct("*").alias(side)) for rows, side in ((whole, "now"), (then, "then"))]
    pairs = sides[0].join(sides[1], "k", "full")
    present = F.col("now").isNotNull() & F.col("then").isNotNull()
    differs: dict[str, Column] = {"(row)": ~present}
    for field in whole.schema:
        if field.name != key:
            differs[field.name] = present & ~_same(field.name, field.dataType)
    names = list(differs)
    counted = pairs.select(*(differs[name].alias(f"d{i}") for i, name in enumerate(names)))
    anywhere = F.greatest(*(F.col(f"d{i}") for i in range(len(names))))
    found = counted.agg(F.count("*").alias("n"), F.count_if(anywhere).alias("rows"),
                        *(F.count_if(F.col(f"d{i}")).alias(f"d{i}") for i in range(len(names)))).collect()[0]
    columns = {name: int(found[f"d{i}"]) for i, name in enumerate(names) if found[f"d{i}"]}
    return Difference(cut, int(found["n"]), int(found["rows"]), columns)


def _same(name: str, kind: DataType) -> Column:
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, FloatType

    now, then = F.col("now").getField(name), F.col("then").getField(name)
    if not isinstance(kind, (DoubleType, FloatType)):
        return now.eqNullSafe(then)
    near = F.abs(now - then) <= TOLERANCE * F.greatest(F.abs(now), F.abs(then), F.lit(1.0))
    return now.eqNullSafe(then) | F.coalesce(near, F.lit(False))
