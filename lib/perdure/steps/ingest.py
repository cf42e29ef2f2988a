"""Ingest: raw rows as they landed, good and rejected, into `raw_<source>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.protocols import StepResult, Write

from ._rows import named

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

EXTRA = ("_file", "_line", "_record", "_reject")


def ingest(parsed: DataFrame, *, source: str, config: Source) -> StepResult:
    """`parsed`: what a source module's `read` gave. Writes `raw_<source>`: the declared columns in their declared
    order, those that `schema_changes` let be added, then `_file`, `_line`, `_record`, `_reject`. Nothing is judged
    here: rejected rows are rows."""
    added = [name for name in parsed.columns if name not in config.columns and name not in EXTRA]
    columns = [named(name) for name in (*config.columns, *added, *EXTRA)]
    return StepResult(writes=(Write(f"raw_{source}", parsed.select(columns), "replace"),))
