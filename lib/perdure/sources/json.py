"""JSON lines: one object a line, keys matched by name in any order; a key that is absent is null.

Options, as Spark names them: `encoding`, `lineSep`, `timestampFormat`, `dateFormat`, `allowComments` and the rest of
Spark's. Keys must be declared: the first record of each file is looked at, so a renamed key is noticed. Where a key
stands twice in one object, the last value counts, as in most readers. A value of another type is rejected, but for
numbers and objects given to a string column, which keeps their text. Blank lines are skipped, `.gz` and `.bz2`
files unpacked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.errors import SourceError

from . import _heads, _lines, _parse
from ._lines import option, truthy

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def read(spark: SparkSession, files: Sequence[str], config: Source) -> DataFrame:
    """The files' records with their declared types, rejected ones included (see the package). Raises SourceError when
    a file's first record has keys that aren't declared, naming file, line, key and the nearest declared name."""
    _parse.parser_options(config.options, files[0] if files else config.path)
    if truthy(option(config.options, "multiLine", False)):
        raise SourceError(
            f"{config.path}: the option 'multiLine' isn't supported: expected JSON lines, one object a line"
        )
    present = [path for path in files if _checked(spark, path, config)]
    if not present:
        return _parse.empty(spark, config.columns)
    lines = _lines.lines(spark, present, config.options)
    return _parse.parse(_kept(lines), _format(config), _parse.Header(tuple(config.columns)), config.columns)


def _checked(spark: SparkSession, path: str, config: Source) -> bool:
    """Whether the file has a record at all. The first one's keys must be declared ones."""
    head = _heads.head(spark, path, config.options, cut=True)
    if head is None:
        return False
    try:
        pairs = json.loads(head.text.removeprefix("\ufeff"), object_pairs_hook=list)
    except (ValueError, RecursionError):
        return True  # a record like any other: it will be rejected with its reason
    if head.text.lstrip("\ufeff \t").startswith("{"):
        keys = tuple(dict.fromkeys(key for key, _ in pairs))
        _parse.check_names(path, head.line, keys, config.columns, complete=False)
    return True


def _kept(lines: _lines.Lines) -> _lines.Lines:
    """Without blank lines, and without the byte-order mark that concatenated files may hold anywhere."""
    from pyspark.sql import functions as F

    value = F.col("value")
    bare = F.when(F.startswith(value, F.lit("\ufeff")), F.substring(value, 2, 1 << 30)).otherwise(value)
    return replace(lines, rows=lines.rows.where(F.trim(value) != "").withColumn("value", bare))


def _format(config: Source) -> _parse.Format:
    from pyspark.sql import functions as F

    options = _parse.parser_options(config.options, config.path)
    value = F.col("value")
    return _parse.Format(
        lambda schema: F.from_json(value, schema, options),
        lambda schema: F.from_json(value, schema, options),
        _problem(value),
        F.lit(None).cast("string"),
        "not valid JSON",
    )


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
