"""CSV (RFC 4180): a header line, columns matched by name in any order, quotes doubled inside quoted fields.

Options, as Spark names them: `sep`, `quote`, `escape` (default: the quote, as RFC 4180 has it), `nullValue`,
`nanValue`, `comment`, `encoding`, `lineSep`, `timestampFormat`, `dateFormat`, `header` (`false`: columns in their
declared order), `multiLine` (quoted fields hold line ends; each file is then read by one task) and the rest of Spark's.
An empty field is null, quoted or not. Blank lines are skipped. `.gz` and `.bz2` files are unpacked. A decimal with more
digits after the point than declared is rounded.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perdure.core.config import Source

from . import _drift, _heads, _lines, _parse, _records
from ._lines import option, truthy

# Columns that the parser makes room for, if not twice the declared ones. Of lines with fewer bytes none are counted.
_COLUMNS = 512
# Where Spark's `from_csv` ends a line (SPARK-38955).
_END = "\uffff"

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def read(
    spark: SparkSession, files: Sequence[str], config: Source, changes: list[_drift.Change] | None = None
) -> DataFrame:
    """The files' records with their declared types, rejected ones included (see the package). `changes` takes what was
    found of other columns than the declared ones; raises SourceError where the source's `schema_changes` say so, naming
    file, line, column and the nearest declared name."""
    options = config.options
    _parse.parser_options(options, files[0] if files else config.path)
    separator = str(option(options, "sep", option(options, "delimiter", ",")))
    quote = str(option(options, "quote", '"'))
    escape = str(option(options, "escape", quote))
    record = _records.pattern(separator, quote, escape) if truthy(option(options, "multiLine", False)) else None
    groups: dict[_parse.Header, list[str]] = {}
    for path in files:
        header = _header(spark, path, config, (separator, quote), changes)
        if header is not None:
            groups.setdefault(header, []).append(path)
    parts = []
    for header, paths in groups.items():
        lines = _lines.lines(spark, paths, options, record)
        form = _format(config, (separator, quote, escape), len(header.names), whole=record is not None)
        parts.append(_parse.parse(_kept(lines, config), form, header, config.columns))
    return _parse.union(parts) if parts else _parse.empty(spark, config.columns)


def _header(
    spark: SparkSession, path: str, config: Source, marks: tuple[str, str], changes: list[_drift.Change] | None
) -> _parse.Header | None:
    """The file's header, held against the declared columns; None for a file without a line."""
    separator, quote = marks
    head = _heads.head(spark, path, config.options)
    if head is None:
        return None
    if not truthy(option(config.options, "header", True)):
        return _parse.Header(tuple(config.columns))
    text = head.text.removeprefix("\ufeff")
    names = (
        text.split(separator)
        if len(separator) > 1
        else next(
            csv.reader(
                [text],
                delimiter=separator,
                quotechar=quote or None,
                quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            )
        )
    )
    agreed = _drift.agree(_drift.Found(path, head.line, tuple(names)), config, changes)
    return _parse.Header(agreed.names, text, head.line, tuple(agreed.extra), agreed.reject)


def _kept(lines: _lines.Lines, config: Source) -> _lines.Lines:
    """Without blank lines and comments, as Spark's reader has it."""
    from dataclasses import replace

    from pyspark.sql import functions as F

    kept = F.trim("value") != ""
    comment = str(option(config.options, "comment", ""))
    if comment:
        kept = kept & ~F.startswith(F.col("value"), F.lit(comment))
    return replace(lines, rows=lines.rows.where(kept))


def _format(config: Source, marks: tuple[str, str, str], width: int, *, whole: bool) -> _parse.Format:
    from pyspark.sql import functions as F

    separator, quote, escape = marks
    most = max(_COLUMNS, 2 * width)
    options = _parse.parser_options(
        config.options,
        config.path,
        sep=separator,
        quote=quote,
        escape=escape,
        maxCharsPerColumn="-1",
        maxColumns=str(most),
    )
    options.pop("delimiter", None)
    value = F.col("value")
    many = _too_many(value, marks, most)
    unclosed = _unclosed(value, marks, whole=whole)
    # A line that just ends is told to the parser by an exception, half of what parsing it costs; a line end isn't. It
    # would end up in a field that isn't closed, which can't be told where something else than the quote escapes.
    told = not quote or quote == escape
    ended = F.when(unclosed.isNull(), F.concat(value, F.lit(_END))).otherwise(value) if told else value
    holds_end = F.contains(value, F.lit(_END))
    # The parser gives up the whole file over a line with more, and takes what follows a line's end for the next one.
    shown = F.when(many | holds_end, None).otherwise(ended)
    found = F.size(F.split(_bare(value, quote, escape), F.lit(f"\\Q{separator}\\E"), -1))
    message = F.concat(F.lit(f"expected {width} columns, found "), found.cast("string"))
    return _parse.Format(
        lambda schema: F.from_csv(shown, schema, options),
        lambda schema: F.from_csv(shown, schema, options),
        F.coalesce(
            F.when(many, message),
            F.when(holds_end, F.lit("holds U+FFFF, which is no character: take it out")),
            unclosed,
        ),
        F.when(found != width, message),
        "not a CSV record",
    )


def _too_many(value: Column, marks: tuple[str, str, str], most: int) -> Column:
    """Whether a line has more than `most` fields. Only lines that could have them pay for the counting, and only those
    with many separators for the one that knows quotes. (Not by AND, of which Spark computes both sides beforehand when
    one of them is used elsewhere, too.)"""
    from pyspark.sql import functions as F

    separator, quote, escape = marks

    def many(text: Column) -> Column:
        return F.octet_length(F.substring_index(text, separator, most)) < F.octet_length(text)

    quoted = F.when(many(value), many(_bare(value, quote, escape))).otherwise(F.lit(False))
    return F.when(F.octet_length(value) > most, quoted).otherwise(F.lit(False))


def _bare(value: Column, quote: str, escape: str) -> Column:
    """A line without its quoted parts, so that each separator left is one."""
    from pyspark.sql import functions as F

    if not quote:
        return value
    plain = F.replace(value, F.lit(quote * 2), F.lit(""))
    if escape and escape != quote:
        plain = F.regexp_replace(value, F.lit(rf"\Q{escape}\E."), F.lit(""))
    return F.regexp_replace(plain, F.lit(rf"\Q{quote}\E[^{quote}]*\Q{quote}\E"), F.lit(""))


def _unclosed(value: Column, marks: tuple[str, str, str], *, whole: bool) -> Column:
    """The reason for a line on which a quoted field begins and doesn't end: Spark's parser would take what there is."""
    from pyspark.sql import functions as F

    separator, quote, escape = marks
    if not quote or quote != escape:
        return F.lit(None).cast("string")
    left = _bare(value, quote, escape)  # an opening quote stays in it when nothing closes it
    begins = F.rlike(left, F.lit(rf"(^|\Q{separator}\E)\Q{quote}\E"))
    hint = "" if whole else "; if fields hold line ends, set the option multiLine: true"
    return F.when(F.contains(value, F.lit(quote)), F.when(begins, F.lit(f"a quoted field isn't closed{hint}")))
