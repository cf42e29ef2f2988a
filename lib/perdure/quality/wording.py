"""Gate lines for people: what an expectation measured and what it asks for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .suites import Entry, columns

_COLUMNS = ("column", "column_A", "column_B", "column_list")
_SAID = (*_COLUMNS, "mostly", "row_condition", "condition_parser", "ignore_row_if")
_LIMITS = ("min_value", "max_value", "strict_min", "strict_max")
_SHORT = ((" to be between", ""), (" to be ", " "), (" to not be ", " not "), (" to not ", " not "), (" to ", " "))
_EXAMPLES = 3


def title(entry: Entry) -> str:
    """What is looked at: `distance: values`, `tailnum: values not null`, `distance: mean`."""
    words = str(entry.get("type", "?")).removeprefix("expect_").replace("_", " ")
    for said, short in _SHORT:
        words = words.replace(said, short)
    named = ", ".join(columns(entry))
    if named:
        words = f"{named}: {words.removeprefix('column ')}"
    where = (entry.get("kwargs") or {}).get("row_condition")
    return f"{words} where {where}" if where else words


def measured(result: Mapping[str, Any]) -> str:
    """What Great Expectations found: failing rows with examples, the observed value, or why it could not tell."""
    message = exception_message(result)
    if message:
        return f"could not be judged: {message}"
    found = result.get("result") or {}
    if "unexpected_count" in found:
        return _rows(found)
    if "observed_value" in found:
        return value(found["observed_value"])
    return "holds" if result.get("success") else "does not hold"


def bound(entry: Entry, *, per_row: bool) -> str:
    """What the expectation asks for: limits, parameters, and for rows how many may fail."""
    kwargs = entry.get("kwargs") or {}
    limits = [text for text in (_range(kwargs), _parameters(kwargs)) if text]
    if per_row:
        mostly = kwargs.get("mostly", 1)
        limits.append("every row" if mostly == 1 else f"at least {percent(100 * mostly)} of rows")
    return ", ".join(limits) or "so"


def exception_message(result: Mapping[str, Any]) -> str:
    """The first line of what was raised while the expectation was judged; empty when nothing was."""
    info = result.get("exception_info") or {}
    if "exception_message" in info:
        text = info["exception_message"]
    else:  # one exception a metric
        text = next((one.get("exception_message") for one in info.values() if isinstance(one, Mapping)), None)
    return str(text or "").strip().split("\n")[0][:300]


def value(found: Any) -> str:
    """A number with thousands marked and at most six digits; anything else as text of bounded length."""
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return _clipped(found)
    return f"{found:,}" if isinstance(found, int) else f"{found:,.6g}"


def percent(share: float) -> str:
    """`0.04 %`; never `0 %` for something above zero."""
    return "less than 0.01 %" if 0 < share < 0.01 else f"{share:.4g} %"


def _rows(found: Mapping[str, Any]) -> str:
    failed, total = found.get("unexpected_count") or 0, found.get("element_count") or 0
    if not failed:
        return f"none of {total:,} rows fails"
    share = found.get("unexpected_percent") or 0.0
    examples = [_clipped(one) for one in found.get("partial_unexpected_list") or () if one is not None]
    such = ", ".join(list(dict.fromkeys(examples))[:_EXAMPLES])
    return f"{failed:,} of {total:,} rows fail ({percent(share)})" + (f", such as {such}" if such else "")


def _range(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above = "above" if kwargs.get("strict_min") else "at least"
    below = "below" if kwargs.get("strict_max") else "at most"
    if low is not None and high is not None and above == "at least" and below == "at most":
        return f"between {value(low)} and {value(high)}"
    parts = [f"{above} {value(low)}"] if low is not None else []
    return " and ".join(parts + ([f"{below} {value(high)}"] if high is not None else []))


def _parameters(kwargs: Mapping[str, Any]) -> str:
    given = {key: item for key, item in kwargs.items() if key not in _SAID + _LIMITS and item is not None}
    return ", ".join(f"{key.replace('_', ' ')} {_clipped(item)}" for key, item in given.items())


def _clipped(found: Any) -> str:
    text = str(found)
    return text if len(text) <= 80 else text[:77] + "..."
