"""The way back from quarantine: which rows are tried again, with which values, and what they had failed.

A replay changes no validated table. It notes the rows in `<source>_replayed`; the interval's next validation takes the
noted values in place of the raw ones and judges them like any others, so that its count closes and a repeat changes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from perdure.core.config import Source
from perdure.core.protocols import StepResult, Write
from perdure.quality.scan import LANDED

from ._rows import FAILURES, named, own, row_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def replay(quarantined: DataFrame, edits: DataFrame | None, *, source: str, config: Source, turn: int) -> StepResult:
    """Notes that rows of one interval come back.

    `quarantined`: the interval's rows of `<source>_quarantine`. `edits`: `_id` and the declared columns of those that
    were edited. `turn`: how many replays of this interval there were before. Appends to `<source>_replayed`, one row
    for each quarantined or edited row: `_id`, `_replay_of` (what it failed), `_edited`, `_turn`, and the declared
    columns (null where not edited).
    """
    failed = quarantined.select("_id", F.col("_failures").cast(FAILURES).alias("_replay_of")).dropDuplicates(["_id"])
    values = [named(name).cast(kind).alias(name) for name, kind in config.columns.items()]
    if edits is None:
        empty = [F.lit(None).cast(kind).alias(name) for name, kind in config.columns.items()]
        noted = failed.select("_id", "_replay_of", F.lit(False).alias("_edited"), *empty)
    else:
        given = edits.select("_id", F.lit(True).alias("_edited"), *values)
        edited = F.coalesce("_edited", F.lit(False)).alias("_edited")
        noted = failed.join(given, "_id", "full_outer").select("_id", "_replay_of", edited, *values)
    return StepResult(writes=(Write(f"{source}_replayed", noted.withColumn("_turn", F.lit(turn)), "append"),))


def mended(raw: DataFrame, replayed: DataFrame, config: Source) -> DataFrame:
    """`raw` with the values of its newest edits, and two more columns: `_id`, and `_replay_of`: all that the row has
    failed, first failures first (null for rows that never came back). The number of rows stays.

    `replayed`: the interval's rows of `<source>_replayed`.
    """
    declared = list(config.columns)
    values = F.struct(*(named(name).alias(name) for name in declared))
    turns = F.array_sort(F.collect_list(F.struct("_turn", "_replay_of")))
    failures = F.flatten(F.transform(turns, lambda turn: F.coalesce(turn["_replay_of"], F.array().cast(FAILURES))))
    newest = F.max_by(F.when(F.col("_edited"), values), F.when(F.col("_edited"), F.col("_turn")))
    noted = replayed.groupBy("_id").agg(
        F.array_distinct(failures).alias("_replay_of"),
        newest.alias("_values"),
        F.max("_edited").alias("_edited"),
    )
    edited = F.coalesce("_edited", F.lit(False))
    rows = raw.withColumn("_id", row_id(declared)).join(F.broadcast(noted), "_id", "left")
    given = [F.when(edited, F.col("_values").getField(name)).otherwise(named(name)).alias(name) for name in declared]
    reject = F.when(~edited, F.col("_reject")).alias("_reject")
    added = [named(name) for name in raw.columns if name not in config.columns and not own(name)]
    landed = [name for name in (LANDED,) if name in raw.columns]
    return rows.select(*given, *added, "_file", "_line", "_record", reject, "_id", "_replay_of", *landed)
