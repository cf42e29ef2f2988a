"""Rules for a table that nobody wrote rules for: from what its columns look like, as Great Expectations entries.

Pure functions; the kinds of rules are those of Deequ's constraint suggestion (Schelter et al., Automating Large-Scale
Data Quality Verification, VLDB 2018): completeness, sets, ranges, uniqueness, lengths, patterns. Each entry says in its
`meta` why it is there (`reason`) and which share of rows not yet seen it should hold for (`confidence`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from .suites import Entry

Kind = Literal["number", "time", "text", "boolean"]
MANY = 50
"""Values, at most, of a column that is held to a set of them."""
SHAPES = 6
"""Shapes, at most, of a text column that is held to a pattern."""
LONGEST = 60
"""Characters of a text that is looked at for its shape."""
KNOWN = {
    "an e-mail address": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "a URL": r"^https?://[^\s]+$",
    "a UUID": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "an IPv4 address": r"^(\d{1,3}\.){3}\d{1,3}$",
}
_CLASSES = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}
_TIMES_EACH = 10  # rows, on average, of each value of a set; fewer are no set but chance
_LOWEST = 0.5  # share of values below which completeness is no rule


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of one column. `low`, `high`: numbers, or times as ISO 8601. `values`: value to rows, of columns
    with at most `MANY` values, else empty. `shapes`: shape (see `shape`) to rows, if at most `SHAPES`, else empty.
    `exact`: whether these tell lengths. `known`: names in `KNOWN` whose pattern all values match."""

    kind: Kind
    rows: int
    nulls: int
    unique: bool = False
    low: Any = None
    high: Any = None
    values: Mapping[Any, int] = field(default_factory=dict)
    shapes: Mapping[str, int] = field(default_factory=dict)
    exact: bool = True
    known: tuple[str, ...] = ()
    shortest: int | None = None
    longest: int | None = None

    @property
    def given(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls


def shape(text: str, *, exact: bool = True) -> str:
    """A text with its letters as `A` and `a`, its digits as `9`; runs of them as one unless `exact`."""
    found = re.sub("[0-9]", "9", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text)))
    return found if exact else re.sub(r"([Aa9])\1+", r"\1", found)


def entries(columns: Mapping[str, ColumnFacts], required: tuple[str, ...] = ()) -> list[Entry]:
    """The rules that these columns suggest, in their order. `required` columns (a key, an event time) must have a
    value, or the row is critically wrong; all else that is suggested is a warning, for its owner to make more of."""
    found = []
    for name, facts in columns.items():
        if facts.rows:
            found += list(_column(name, facts, critical=name in required))
    return found


def bound(rows: int, failed: int) -> float:
    """The share of all rows that holds, at least, with 95 % certainty, when `failed` of `rows` did not (Clopper and
    Pearson, 1934)."""
    if rows <= failed:
        return 0.0
    if not failed:
        return float(0.05 ** (1 / rows))
    from scipy.stats import beta

    return float(beta.ppf(0.05, rows - failed, failed + 1))


def pattern(shapes: Mapping[str, int], *, exact: bool) -> str:
    """A regular expression that these shapes match, the most frequent first."""
    ordered = sorted(shapes, key=lambda one: (-shapes[one], one))
    return (
        f"^({'|'.join(_regex(one, exact=exact) for one in ordered)})$"
        if len(ordered) > 1
        else (f"^{_regex(ordered[0], exact=exact)}$")
    )


def _column(name: str, facts: ColumnFacts, *, critical: bool) -> Iterator[Entry]:
    severity = "critical" if critical else "warning"
    yield from _complete(name, facts, severity)
    if not facts.given:
        return
    if facts.unique and facts.given >= _TIMES_EACH and facts.kind in ("text", "number"):
        reason = f"each of {facts.given:,} values stands there once"
        yield _entry("expect_column_values_to_be_unique", severity, reason, bound(facts.given, 0), column=name)
    few = _set(name, facts)
    if few is not None:
        yield few
    elif facts.kind in ("number", "time"):
        yield from _range(name, facts)
    elif facts.kind == "text":
        yield from _text(name, facts)


def _complete(name: str, facts: ColumnFacts, severity: str) -> Iterator[Entry]:
    kind = "expect_column_values_to_not_be_null"
    if facts.nulls == 0:
        yield _entry(kind, severity, f"none of {facts.rows:,} values is missing", bound(facts.rows, 0), column=name)
        return
    least = math.floor(100 * bound(facts.rows, facts.nulls)) / 100
    if least >= _LOWEST:
        share = 100 * facts.nulls / facts.rows
        reason = f"{share:.3g} % of {facts.rows:,} values are missing; more than that would be news"
        yield _entry(kind, "warning", reason, 0.95, column=name, mostly=least)


def _set(name: str, facts: ColumnFacts) -> Entry | None:
    """A set for a column of few values that come again and again."""
    values = facts.values
    if not values or facts.kind not in ("text", "number") or len(values) > MANY:
        return None
    if facts.kind == "number" and (len(values) > 10 or any(value != int(value) for value in values)):
        return None
    if facts.given < _TIMES_EACH * len(values):
        return None
    # Good and Turing: the share of unseen values is that of the values seen once.
    unseen = sum(count == 1 for count in values.values()) / facts.given
    reason = f"{facts.given:,} values are one of {len(values)}"
    return _entry("expect_column_values_to_be_in_set", "warning", reason, 1 - max(unseen, 1 / facts.given),
                  column=name, value_set=sorted(values))  # fmt: skip


def _range(name: str, facts: ColumnFacts) -> Iterator[Entry]:
    kind = "expect_column_values_to_be_between"
    confidence = 1 - 2 / (facts.given + 1)  # of the next value lying between the least and the greatest seen
    if facts.kind == "time":
        reason = f"none of {facts.given:,} times is before {facts.low}"
        yield _entry(kind, "warning", reason, confidence, column=name, min_value=_year(facts.low))
        return
    low, high = float(facts.low), float(facts.high)
    if not (math.isfinite(low) and math.isfinite(high)):
        return
    room = (high - low) / 2 or abs(high) or 1.0
    least = max(0.0, low - room) if low >= 0 else low - room
    reason = f"{facts.given:,} values are between {facts.low:,} and {facts.high:,}; half as much again passes"
    limits = {
        "min_value": _whole(facts.low, math.floor(least), least),
        "max_value": _whole(facts.high, math.ceil(high + room), high + room),
    }
    yield _entry(kind, "warning", reason, confidence, column=name, **limits)


def _text(name: str, facts: ColumnFacts) -> Iterator[Entry]:
    confidence = bound(facts.given, 0)
    known = next(iter(facts.known), None)
    if known is not None:
        yield _entry("expect_column_values_to_match_regex", "warning", f"each of {facts.given:,} values is {known}",
                     confidence, column=name, regex=KNOWN[known])  # fmt: skip
    elif facts.shapes and facts.given >= _TIMES_EACH * len(facts.shapes):
        shown = ", ".join(sorted(facts.shapes, key=lambda one: (-facts.shapes[one], one))[:3])
        once = sum(count == 1 for count in facts.shapes.values()) / facts.given
        yield _entry("expect_column_values_to_match_regex", "warning",
                     f"{facts.given:,} values look like {shown}", min(confidence, 1 - once),
                     column=name, regex=pattern(facts.shapes, exact=facts.exact))  # fmt: skip
    if facts.longest is None or facts.shortest is None:
        return
    if facts.shortest == facts.longest:
        yield _entry("expect_column_value_lengths_to_equal", "warning",
                     f"each of {facts.given:,} values has {facts.longest} characters", confidence,
                     column=name, value=facts.longest)  # fmt: skip
    elif not (facts.shapes and facts.exact):
        reason = f"{facts.given:,} values have {facts.shortest} to {facts.longest} characters; twice as many pass"
        least = {"min_value": 1} if facts.shortest >= 1 else {}
        yield _entry("expect_column_value_lengths_to_be_between", "warning", reason,
                     1 - 2 / (facts.given + 1), column=name, **least, max_value=2 * facts.longest)  # fmt: skip


def _entry(kind: str, severity: str, reason: str, confidence: float, **kwargs: Any) -> Entry:
    meta = {"reason": reason, "confidence": math.floor(confidence * 1e4) / 1e4}
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta}


def _regex(one: str, *, exact: bool) -> str:
    parts = []
    for mark, run in groupby(one):
        count = len(list(run))
        if mark in _CLASSES:
            parts.append(_CLASSES[mark] + ("+" if not exact else f"{{{count}}}" if count > 1 else ""))
        else:
            parts.append(re.escape(mark) * count)
    return "".join(parts)


def _whole(like: Any, whole: int, value: float) -> float | int:
    """A bound of the values' own kind."""
    return whole if isinstance(like, int) else value


def _year(time: str) -> str:
    """The beginning of the year that holds an ISO 8601 time."""
    return f"{time[:4]}-01-01T00:00:00"
