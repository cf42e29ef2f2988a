"""Lines to declared columns, with the reason where a line doesn't hold what was declared; for all text formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from perdure.core.errors import SourceError
from perdure.core.identifiers import quoted

from ._lines import Lines, Options

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

RESULT = "`_file` string, `_line` bigint, `_record` string, `_reject` string"
CORRUPT = "_perdure_corrupt"
_SHOWN = 80
_LONGEST, _KEPT = 16 << 20, 1000  # bytes of a line that is parsed, characters that are kept of a longer one
# What the project decides itself; the values these would take are given to the parser by the source modules.
_OURS = ("mode", "inferSchema", "columnNameOfCorruptRecord", "enforceSchema", "samplingRatio", "recursiveFileLookup")
_READ_BY_US = ("header", "multiline", "encoding", "charset", "linesep", "comment")


@dataclass(frozen=True)
class Format:
    """How one text format parses a line. `typed(schema)` and `strings(names)` give a struct column over `value`, the
    first with `CORRUPT` set where the line doesn't fit. `problem`: a reason that holds before any parsing, or null.
    `shape`: a reason about a corrupt line as a whole that makes looking at single fields pointless, or null;
    `otherwise`: the reason for a corrupt line when nothing better is known."""

    typed: Callable[[str], Column]
    strings: Callable[[str], Column]
    problem: Column
    shape: Column
    otherwise: str


@dataclass(frozen=True)
class Header:
    """A file's columns, and its header, to be left out: its text (less any byte-order mark, as Spark's reader strips
    some) and its line. `text` is None when the file has none. `extra` are columns beyond the declared ones, all text;
    `reject` is why all the file's rows are rejected, or None."""

    names: tuple[str, ...]
    text: str | None = None
    line: int = 1
    extra: tuple[str, ...] = ()
    reject: str | None = None


def parse(
    lines: Lines, form: Format, header: Header, columns: Mapping[str, str], keep: tuple[str, ...] = ()
) -> DataFrame:
    """`lines` as rows of `columns` (in their declared order), the header's extra ones, the four that tell of each
    row's origin, and those of `lines` to `keep`."""
    from pyspark.sql import functions as F

    columns = {**columns, **dict.fromkeys(header.extra, "string")}
    physical = {name: columns[name] for name in header.names}
    heading = F.lit(False) if header.text is None else F.col("value").isin(header.text, "\ufeff" + header.text)
    first = heading & F.coalesce(F.col("_line") == header.line, F.lit(False))
    rows = lines.rows
    # Left out at once where the numbers are there already: Spark would push a later filter, and all that it depends on,
    # below the parsing, which would then be done once for each mention.
    if lines.starts is None:
        rows = rows.where(~first)
    # Of a line too long to parse, only the beginning goes on, so that no step on its way needs several times its size.
    too_long = F.octet_length("value") > _LONGEST
    rows = rows.withColumns(
        {"_long": too_long, "value": F.when(too_long, F.substring("value", 1, _KEPT)).otherwise(F.col("value"))}
    )
    rows = rows.withColumn("_typed", form.typed(f"{ddl(physical)}, {CORRUPT} string"))
    reason = _reason(form, lines, physical) if header.reject is None else F.lit(header.reject)
    longer = F.lit(f"longer than {_LONGEST >> 20} MiB; its first {_KEPT:,} characters are kept")
    rows = rows.withColumn("_reject", F.when(F.col("_long"), longer).otherwise(reason))
    rejected = F.col("_reject").isNotNull()
    if lines.starts is not None:
        rows = lines.number(rows).where(~first)
    return rows.select(
        *(
            (_value(name, kind) if name in physical else F.lit(None).cast(kind)).alias(name)
            for name, kind in columns.items()
        ),
        "_file",
        "_line",
        F.when(rejected, F.col("value")).alias("_record"),
        "_reject",
        *keep,
    )


def empty(spark: SparkSession, columns: Mapping[str, str]) -> DataFrame:
    """No rows, in the shape that `read` promises."""
    return spark.createDataFrame([], f"{ddl(columns)}, {RESULT}")


def union(parts: list[DataFrame]) -> DataFrame:
    """The rows of all parts (at least one), which have the same columns but for extra ones."""
    together = reduce(lambda above, below: above.unionByName(below, allowMissingColumns=True), parts)
    own = [name for name in together.columns if name.startswith("_")]
    return together.select(*(quoted(name) for name in together.columns if name not in own), *own)


def ddl(columns: Mapping[str, str]) -> str:
    """Columns as SQL declares them; names may hold anything."""
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())


def parser_options(options: Options, where: str, **ours: str) -> dict[str, str]:
    """The options that go to Spark's parser, over `ours`. Raises SourceError for those that the project decides."""
    for name in options:
        if name.lower() in (other.lower() for other in _OURS):
            raise SourceError(
                f"{where}: the option '{name}' can't be set: columns and types are the declared ones, and "
                "bad records are always kept; take it out of the pipeline file"
            )
    defaults = {"columnNameOfCorruptRecord": CORRUPT, "timeZone": "UTC", "enableDateTimeParsingFallback": "false"}
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in options.items()
        if name.lower() not in _READ_BY_US
    }
    kept = {
        name: value
        for name, value in {**defaults, **ours}.items()
        if name.lower() not in (other.lower() for other in given)
    }
    return {**kept, **given}


def _reason(form: Format, lines: Lines, columns: Mapping[str, str]) -> Column:
    """Why a line is rejected; null for a good one. Lines that look good pay for a few comparisons only."""
    from pyspark.sql import functions as F

    typed = F.col("_typed")
    broken = F.when(
        lines.broken, F.lit(f"not valid {lines.encoding} text: set the option 'encoding', or mend the file")
    )
    suspects = [_suspect(typed.getField(name), kind) for name, kind in columns.items() if _checked(kind)]
    corrupt = typed.getField(CORRUPT).isNotNull()
    # The text of each field is parsed for these lines alone. The array makes its columns share that one parse.
    asked = reduce(lambda a, b: a | b, [corrupt, *suspects])
    texts = F.array(form.strings(ddl(dict.fromkeys(columns, "string"))))

    def detail(text: Column) -> Column:
        found = [_mismatch(name, kind, typed.getField(name), text.getField(name)) for name, kind in columns.items()]
        fields = F.nullif(F.concat_ws("; ", *(item for item in found if item is not None)), F.lit(""))
        return F.coalesce(F.when(corrupt, form.shape), fields, F.when(corrupt, F.lit(form.otherwise)))

    return F.coalesce(broken, form.problem, F.when(asked, F.element_at(F.transform(texts, detail), 1)))


def _value(name: str, kind: str) -> Column:
    """A field, but for those that Spark's parser read and `_mismatch` found wrong."""
    from pyspark.sql import functions as F

    value = F.col("_typed").getField(name)
    if not _checked(kind):
        return value
    wrong = F.coalesce(F.contains(F.col("_reject"), F.lit(f"{name}: expected {kind}, found '")), F.lit(False))
    return F.when(~wrong, value)


def _checked(kind: str) -> bool:
    return kind in ("timestamp", "date", "double", "float")


def _suspect(value: Column, kind: str) -> Column:
    """What Spark's parser may have read too kindly: a time of day without a date (it adds today's), years that dates in
    Python can't hold, numbers too large for a double."""
    from pyspark.sql import functions as F

    if kind in ("double", "float"):
        return F.coalesce(F.abs(value) == F.lit(float("inf")), F.lit(False))
    low = F.lit("0001-01-01").cast(kind)
    return F.coalesce((value >= F.current_date()) | (value < low), F.lit(False))


def _mismatch(name: str, kind: str, value: Column, text: Column) -> Column | None:
    """What is wrong with one field, or null; None for strings, which are always right."""
    from pyspark.sql import functions as F

    if kind == "string":
        return None
    wrong = value.isNull()
    if kind in ("timestamp", "date"):
        wrong = wrong | text.rlike(r"^\s*T?\d{1,2}:") | (F.year(value) > 9999) | (F.year(value) < 1)
    elif kind in ("double", "float"):
        # JSON's texts are of the parsed number, so it's the line that tells a written infinity from an overflow.
        overflow = text.rlike("[0-9]") | (text.rlike(r'^"?-?Infinity"?$') & ~F.contains(F.col("value"), F.lit("Inf")))
        wrong = wrong | ((F.abs(value) == F.lit(float("inf"))) & overflow)
    shown = F.when(F.length(text) > _SHOWN, F.concat(F.substring(text, 1, _SHOWN), F.lit("..."))).otherwise(text)
    message = F.concat(F.lit(f"{name}: expected {kind}, found '"), shown, F.lit("'"))
    return F.when(text.isNotNull() & wrong, message)
