"""The newest features of a training, computed again from what was known at an earlier time: they must be the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult
from perdure.features.leakage import rows_that_differ

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def leakage(sources: Mapping[str, DataFrame], *, pipeline: Pipeline, interval: Interval) -> StepResult:
    """Facts: `cut` (the interval's middle), `compared` (rows with event time up to it), `rows` that differ, `columns`
    (in which, and in how many rows each), and the `reason`, a sentence. `sources`: as `featurize` has them."""
    cut = interval.start + (interval.end - interval.start) / 2
    (found,) = rows_that_differ(sources, pipeline, interval, [cut])
    what = f"{found.compared:,} rows, computed from what was known at {cut:%Y-%m-%d %H:%M},"
    reason = f"{what} have the features that they have now"
    if found.rows:
        reason = f"of {what} {found.rows:,} have other features than now: {', '.join(found.columns)}"
    return StepResult(facts={"cut": cut.isoformat(), "compared": found.compared, "rows": found.rows,
                             "columns": dict(found.columns), "reason": reason})
