"""What the columns of a Spark table look like, as `suggest` takes it: three queries at most, whatever the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from perdure.core.identifiers import quoted

from .scan import KeyCheck, Scan
from .suggest import KNOWN, LONGEST, MANY, SHAPES, ColumnFacts, Kind

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_KINDS: dict[str, Kind] = {
    "string": "text", "boolean": "boolean", "date": "time", "timestamp": "time", "tinyint": "number",
    "smallint": "number", "int": "number", "bigint": "number", "float": "number", "double": "number",
}  # fmt: skip
_NEARLY = 0.9  # of the values are distinct, as far as the sketch can tell: worth an exact look
_EXACT, _LOOSE, _VALUE = 0, 1, 2


def facts(rows: DataFrame, columns: Mapping[str, str]) -> dict[str, ColumnFacts]:
    """The facts of these columns (name: SQL type); of other types than numbers, texts, times and booleans there are
    none."""
    kinds = {name: kind for name, sql in columns.items() if (kind := _kind(sql))}
    if not kinds:
        return {}
    first = _first(rows, kinds)
    unique = _unique(rows, kinds, first)
    lists = _lists(rows, kinds, first)
    return {
        name: _facts(kind, first, f"{index}", lists.get(index, {}), unique=f"{index}" in unique)
        for index, (name, kind) in enumerate(kinds.items())
    }


def _kind(sql: str) -> Kind | None:
    return "number" if sql.startswith("decimal") else _KINDS.get({"integer": "int", "long": "bigint"}.get(sql, sql))


def _named(name: str) -> Column:
    return F.col(quoted(name))


def _number(name: str) -> Column:
    """A number as it is, NaN as missing."""
    return F.when(~F.isnan(_named(name).cast("double")), _named(name))


def _mask(text: Column, *, exact: bool) -> Column:
    """As `suggest.shape`."""
    found = F.regexp_replace(F.regexp_replace(F.regexp_replace(text, "[A-Z]", "A"), "[a-z]", "a"), "[0-9]", "9")
    return found if exact else F.regexp_replace(found, r"([Aa9])\1+", "$1")


def _first(rows: DataFrame, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Counts, extremes and sketches of all columns, by `<what><column number>`."""
    asked: dict[str, Column] = {"rows": F.count(F.lit(1))}
    for index, (name, kind) in enumerate(kinds.items()):
        column = _number(name) if kind == "number" else _named(name)
        asked |= {f"given{index}": F.count(column), f"distinct{index}": F.approx_count_distinct(column, 0.02)}
        if kind == "number":
            asked |= {f"low{index}": F.min(column), f"high{index}": F.max(column)}
        elif kind == "time":
            asked[f"low{index}"] = F.date_format(F.min(column), "yyyy-MM-dd'T'HH:mm:ss")
            asked[f"high{index}"] = F.date_format(F.max(column), "yyyy-MM-dd'T'HH:mm:ss")
        elif kind == "text":
            asked |= {f"shortest{index}": F.min(F.length(column)), f"longest{index}": F.max(F.length(column))}
            short = F.when(F.length(column) <= LONGEST, column)
            asked[f"exact{index}"] = F.approx_count_distinct(_mask(short, exact=True))
            asked[f"loose{index}"] = F.approx_count_distinct(_mask(short, exact=False))
            asked |= {f"known{index}.{at}": F.count_if(column.rlike(regex)) for at, regex in enumerate(KNOWN.values())}
    found = rows.agg(*(column.alias(name) for name, column in asked.items())).collect()[0]
    return dict(zip(asked, found, strict=True))


def _unique(rows: DataFrame, kinds: Mapping[str, Kind], first: Mapping[str, Any]) -> set[str]:
    """The numbers of the columns in which no value stands twice."""
    scan = Scan(rows)
    for index, (name, kind) in enumerate(kinds.items()):
        given = first[f"given{index}"]
        if kind in ("text", "number") and given and first[f"distinct{index}"] >= _NEARLY * given:
            scan.keys[f"{index}"] = KeyCheck((_named(name),), _named(name).isNotNull())
    return {name for name, count in scan.run().keys.items() if not count.repeated}


def _lists(
    rows: DataFrame, kinds: Mapping[str, Kind], first: Mapping[str, Any]
) -> dict[int, dict[int, dict[str, int]]]:
    """Column number to what (`_VALUE`, `_EXACT`, `_LOOSE`) to value to rows, of the columns that have few."""
    asked = []
    for index, (name, kind) in enumerate(kinds.items()):
        column = _number(name) if kind == "number" else _named(name)
        if kind in ("text", "number") and first[f"distinct{index}"] <= 1.1 * MANY:
            asked.append((index, _VALUE, column.cast("string")))
        if kind == "text" and (first[f"longest{index}"] or 0) <= LONGEST:
            asked += [
                (index, what, _mask(column, exact=what == _EXACT))
                for what, name_of in ((_EXACT, "exact"), (_LOOSE, "loose"))
                if first[f"{name_of}{index}"] <= 1.1 * SHAPES
            ]
    found: dict[int, dict[int, dict[str, int]]] = {}
    if asked:
        structs = [F.struct(F.lit(index).alias("i"), F.lit(what).alias("w"), value.alias("v"))
                   for index, what, value in asked]  # fmt: skip
        each = rows.select(F.explode(F.array(*structs)).alias("one")).where("one.v IS NOT NULL")
        for index, what, value, count in each.groupBy("one.i", "one.w", "one.v").count().collect():
            found.setdefault(index, {}).setdefault(what, {})[value] = count
    return found


def _facts(
    kind: Kind, first: Mapping[str, Any], at: str, lists: Mapping[int, Mapping[str, int]], *, unique: bool
) -> ColumnFacts:
    given, values = first[f"given{at}"], lists.get(_VALUE, {})
    exact, loose = (shapes if len(shapes := lists.get(what, {})) <= SHAPES else {} for what in (_EXACT, _LOOSE))
    known = [name for number, name in enumerate(KNOWN) if given and first.get(f"known{at}.{number}") == given]
    typed: Any = {_number_of(value): count for value, count in values.items()} if kind == "number" else values
    return ColumnFacts(
        kind,
        first["rows"],
        first["rows"] - given,
        unique=unique,
        low=_plain(first.get(f"low{at}")),
        high=_plain(first.get(f"high{at}")),
        values=typed if len(typed) <= MANY else {},
        shapes=exact or loose,
        exact=bool(exact),
        known=tuple(known),
        shortest=first.get(f"shortest{at}"),
        longest=first.get(f"longest{at}"),
    )


def _number_of(text: str) -> float | int:
    value = float(text)
    return int(value) if value == int(value) and "." not in text and "e" not in text.lower() else value


def _plain(value: Any) -> Any:
    return float(value) if value is not None and not isinstance(value, (int, str)) else value
