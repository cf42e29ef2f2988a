"""Late and corrected rows: which raw rows are an interval's own when files also bring rows of earlier intervals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from perdure.core.config import Source
from perdure.core.interval import Interval
from perdure.quality.scan import LANDED

from ._rows import named

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

def late(config: Source, before: datetime, begin: datetime) -> Column:
    """Whether a parsed row's event time lies in [begin, before); never null. `begin` is the pipeline's first interval's
    start: what is older has no interval to go to."""
    time = named(str(config.event_time))
    return F.coalesce(F.col("_reject").isNull() & (time < F.lit(before)) & (time >= F.lit(begin)), F.lit(False))


def belonging(
    raw: DataFrame, *, config: Source, interval: Interval, begin: datetime, others: Sequence[str]
) -> DataFrame:
    """The interval's rows, wherever they landed: those of its own files less the late ones among them, and the late
    rows that the files of the intervals `others` (labels) brought for it. Each raw row belongs to exactly one interval.

    `raw`: rows of `raw_<source>` with `_interval`. Gives the same columns, and `_landed`, the label of the interval
    whose file a row landed in: of a key's rows those that landed later are the newer.
    """
    time = named(str(config.event_time))
    here = raw.where((F.col("_interval") == interval.label) & ~late(config, interval.start, begin))
    if others:
        mine = late(config, interval.end, begin) & (time >= F.lit(interval.start))
        here = here.unionAll(raw.where(F.col("_interval").isin(list(others)) & mine))
    return here.withColumn(LANDED, F.col("_interval"))
