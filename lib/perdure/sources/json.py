"""JSON lines: one object a line, keys matched by name in any order; a key that is absent is null.

Options, as Spark names them: `encoding`, `lineSep`, `timestampFormat`, `dateFormat`, `allowComments` and the rest of
Spark's. Keys must be declared: the first record of each file is looked at, so a renamed key is noticed. Where a key
stands twice in one object, the last value counts, as in most readers. A value of another type is rejected, but for
numbers and objects given to a string column, which keeps their text. Blank lines are skipped, `.gz` and `.bz2`
files unpacked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.identifiers import quoted

from . import _drift, _heads, _lines, _parse
from ._lines import option, truthy

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def read(
    spark: SparkSession, files: Sequence[str], config: Source, changes: list[_drift.Change] | None = None
) -> DataFrame:
    """The files' records with their declared types, rejected ones included (see the package). `changes` takes what was
    found of other keys than the declared ones in the files' first records; raises SourceError where the source's
    `schema_changes` say so, naming file, line, key and the nearest declared name."""
    _parse.parser_options(config.options, files[0] if files else config.path)
    if truthy(option(config.options, "multiLine", False)):
        raise SourceError(
            f"{config.path}: the option 'multiLine' isn't supported: expected JSON lines, one object a line"
        )
    groups: dict[tuple[_parse.Header, tuple[tuple[str, str], ...]], list[str]] = {}
    for path in files:
        found = _header(spark, path, config, changes)
        if found is not None:
            groups.setdefault(found, []).append(path)
    parts = []
    for (header, keys), paths in groups.items():
        lines = _lines.lines(spark, paths, config.options)
        parts.append(_parse.parse(_kept(lines), format_of(config, dict(keys)), header, config.columns))
    return _parse.union(parts) if parts else _parse.empty(spark, config.columns)


def _header(
    spark: SparkSession, path: str, config: Source, changes: list[_drift.Change] | None
) -> tuple[_parse.Header, tuple[tuple[str, str], ...]] | None:
    """The columns that a file's records may have, and which of them go by another key (column, key); None for a file
    without a record."""
    head = _heads.head(spark, path, config.options, cut=True)
    if head is None:
        return None
    plain = _parse.Header(tuple(config.columns)), ()
    try:
        pairs = json.loads(head.text.removeprefix("\ufeff"), object_pairs_hook=list)
    except (ValueError, RecursionError):
        return plain  # a record like any other: it will be rejected with its reason
    if not head.text.lstrip("\ufeff \t").startswith("{"):
        return plain
    keys = tuple(dict.fromkeys(key for key, _ in pairs))
    agreed = _drift.agree(_drift.Found(path, head.line, keys, complete=False, ordered=False), config, changes)
    renamed = tuple((name, key) for name, key in zip(agreed.names, keys, strict=True) if name != key)
    extra = tuple(agreed.extra)
    return _parse.Header((*config.columns, *extra), extra=extra, reject=agreed.reject), renamed


def _kept(lines: _lines.Lines) -> _lines.Lines:
    """Without blank lines, and without the byte-order mark that concatenated files may hold anywhere."""
    from pyspark.sql import functions as F

    value = F.col("value")
    bare = F.when(F.startswith(value, F.lit("\ufeff")), F.substring(value, 2, 1 << 30)).otherwise(value)
    return replace(lines, rows=lines.rows.where(F.trim(value) != "").withColumn("value", bare))


def format_of(config: Source, keys: Mapping[str, str]) -> _parse.Format:
    """How the column `value` is parsed. `keys`: the key of each column that goes by another than its name."""
    from pyspark.sql import functions as F

    options = _parse.parser_options(config.options, config.path)
    value = F.col("value")

    def parsed(schema: str) -> Column:
        own = schema
        for name, key in keys.items():
            own = own.replace(f"{quoted(name)} ", f"{quoted(key)} ")
        return F.from_json(value, own, options).cast(f"struct<{schema}>") if keys else F.from_json(value, own, options)

    return _parse.Format(parsed, parsed, _problem(value), F.lit(None).cast("string"), "not valid JSON")


def _problem(value: Column) -> Column:
    """Lines that Spark's parser takes though they aren't one object: with something before, behind or between."""
    from pyspark.sql import functions as F

    trimmed = F.trim(value, F.lit(" \t"))
    inside = F.rlike(value, F.lit(r"\}\s*[^\s\]}]"))
    several = F.coalesce(F.json_array_length(F.concat(F.lit("["), value, F.lit("]"))), F.lit(0)) != 1
    shape = F.lit("expected one JSON object a line")
    return F.when(~F.startswith(trimmed, F.lit("{")) | ~F.endswith(trimmed, F.lit("}")), shape).when(
        inside & several, shape
    )
