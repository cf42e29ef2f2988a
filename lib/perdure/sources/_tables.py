"""What sources that are tables share: which rows a run reads, how a change is noticed, and their declared types.

Such a source with an event time is read by interval: a run reads the rows whose event time lies in it (the first run
reads those without one, too). What it reads has a text, `place[since,until)`, which stands where a file's path stands
in other sources, and a number that changes with its content, so that rows which came late or were corrected have their
interval read again, and replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.record import FileVersion

from . import _drift

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_TEXT = re.compile(r"^(?P<place>.*)\[(?P<since>[^\[,]+),(?P<until>[^\[,]+)\)(?P<first>\+null)?$", re.DOTALL)


@dataclass(frozen=True)
class Span:
    """Rows of a table: all of them, or those with an event time in [since, until), and those without one (`first`)."""

    place: str
    since: datetime | None = None
    until: datetime | None = None
    first: bool = False

    @classmethod
    def of(cls, place: str, config: Source, interval: Interval | None, *, first: bool) -> Span:
        """What a run over `interval` reads."""
        if config.event_time is None or interval is None:
            return cls(place)
        return cls(place, interval.start, interval.end, first)

    @classmethod
    def parse(cls, text: str) -> Span:
        """The inverse of `str`."""
        match = _TEXT.match(text)
        if match is None:
            return cls(text)
        times = datetime.fromisoformat(match["since"]), datetime.fromisoformat(match["until"])
        return cls(match["place"], *times, first=match["first"] is not None)

    def __str__(self) -> str:
        """The text that stands for a file's path."""
        if self.since is None or self.until is None:
            return self.place
        return f"{self.place}[{self.since.isoformat()},{self.until.isoformat()}){'+null' if self.first else ''}"

    def condition(self, column: str) -> Column | None:
        """The rows' condition on their event time; None for all rows."""
        from pyspark.sql import functions as F

        if self.since is None or self.until is None:
            return None
        time = F.col(quoted(column))
        within = (time >= F.lit(self.since)) & (time < F.lit(self.until))
        return within | time.isNull() if self.first else within

    def parts(self, count: int) -> list[Span]:
        """The same rows in `count` spans of equal length, each row in one of them."""
        if self.since is None or self.until is None or count < 2:
            return [self]
        step = (self.until - self.since) / count
        marks = [self.since + step * at for at in range(count)] + [self.until]
        return [
            Span(self.place, low, high, self.first and low == self.since)
            for low, high in pairwise(marks)
        ]


def version(rows: DataFrame, span: Span, config: Source, changed: str | None) -> FileVersion:
    """How many rows there are, and a number that tells their content: the greatest `changed` (a number as it is, a time
    in milliseconds), or, without such a column, a hash of all values."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NumericType

    if changed is not None:
        column = F.col(quoted(changed))
        kind = rows.select(column).schema[0].dataType
        number = isinstance(kind, NumericType)
        told = F.max(column.cast("bigint") if number else F.unix_millis(column.cast("timestamp")))
    else:
        told = F.bit_xor(F.xxhash64(*(F.col(quoted(name)) for name in rows.columns)))
    found = rows.agg(F.count(F.lit(1)), told).collect()[0]
    return FileVersion(str(span), int(found[0]), int(found[1] or 0))


def declared(rows: DataFrame, span: Span, config: Source, changes: list[_drift.Change] | None) -> DataFrame:
    """The rows in their declared types, in the shape that `read` promises: a value that doesn't fit rejects its row.
    The columns are held against the declared ones by the source's `schema_changes`; a type counts as wider, narrower or
    another only by what its values turn out to be."""
    from pyspark.sql import functions as F

    if not set(rows.columns) & set(config.columns):
        raise SourceError(f"{span.place}: expected {', '.join(config.columns)}; found {', '.join(rows.columns)}")
    types = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    added = {name: kind for name, kind in types.items() if name not in config.columns}
    agreed = _drift.agree(_drift.Found(span.place, 1, tuple(types), added, ordered=False), config, changes)
    there = {new: F.col(quoted(old)) for new, old in zip(agreed.names, types, strict=True)}
    columns = {**config.columns, **{name: types[name] for name in agreed.extra}}
    reasons = [F.lit(agreed.reject).cast("string")]
    for name, kind in config.columns.items():
        if name in there and not _drift.fits(types.get(name, ""), kind):
            value = there[name]
            text = F.concat(F.lit(f"{name}: expected {kind}, found '"), value.cast("string"), F.lit("'"))
            reasons.append(F.when(value.isNotNull() & value.try_cast(kind).isNull(), text))
    reject = F.coalesce(*reasons)
    return rows.select(
        *((there[name].try_cast(kind) if name in there else F.lit(None).cast(kind)).alias(name)
          for name, kind in columns.items()),
        F.lit(span.place).alias("_file"),
        F.lit(None).cast("bigint").alias("_line"),
        F.when(reject.isNotNull(), F.to_json(F.struct(*map(quoted, rows.columns)))).alias("_record"),
        reject.alias("_reject"),
    )  # fmt: skip
