"""What the data steps share about rows: names as columns, and what tells one raw row from all others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from perdure.core.identifiers import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column

FAILURE = "struct<expectation: string, column: string, value: string, severity: string, rule: string, run: string>"
FAILURES = f"array<{FAILURE}>"
"""The type of `_warnings`, `_failures` and `_replay_of`; `rule` is the rule's fingerprint, `run` the id of the run that
judged."""


def named(name: str) -> Column:
    """A column by its literal name, dots and spaces included."""
    return F.col(quoted(name))


def own(name: str) -> bool:
    """Whether a column is one of Perdure's own."""
    return name.startswith("_")


def as_text(names: Iterable[str]) -> Column:
    """The values of these columns as one JSON object."""
    return F.to_json(F.struct(*(named(name).alias(name) for name in names)))


def row_id(names: Iterable[str]) -> Column:
    """Sixteen hex digits that name a raw row: of its place (`_file`, `_line`) and its content, so that a file landed
    anew with other content has other rows."""
    content = F.coalesce(F.col("_record"), as_text(names))
    return F.lower(F.lpad(F.hex(F.xxhash64("_file", F.coalesce("_line", F.lit(0)), content)), 16, "0"))
