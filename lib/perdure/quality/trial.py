"""A suggested suite, tried on rows that it did not come from: only what holds there is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from perdure.core.identifiers import quoted

from .facts import facts
from .suggest import bound, entries
from .suites import Entry
from .validation import validate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PARTS, _SEED = 5, 42
_LEAST = 0.9  # share of held-out rows below which a rule is dropped rather than softened


@dataclass(frozen=True)
class Suggestion:
    """`suite`: Great Expectations' JSON. `dropped`: rules that the held-out rows did not bear out, each with why.
    `seen` and `held_out`: rows."""

    suite: dict[str, Any]
    dropped: tuple[tuple[Entry, str], ...]
    seen: int
    held_out: int


def suggest(
    rows: DataFrame, columns: Mapping[str, str], *, name: str, required: tuple[str, ...] = (), share: float = 1.0
) -> Suggestion:
    """A suite for these columns (name: SQL type), from four fifths of the rows, tried on the last fifth.

    Which rows are held out follows from their own values, so it is the same whatever their order. `share` of the rows
    is looked at. An entry's `confidence` is the share of rows that it holds for, at least, with 95 % certainty, told
    from the held-out rows alone."""
    # By all of the frame's columns, with the rows' own places where it has them: equal values mustn't stay together.
    every = [F.col(quoted(one)) for one in rows.columns]
    place = F.pmod(F.xxhash64(F.lit(_SEED), *every), 1_000_000)
    taken = rows.where(place < round(share * 1_000_000)) if share < 1 else rows
    train, test = taken.where(place % _PARTS != 0), taken.where(place % _PARTS == 0)
    found = facts(train, columns)
    given = entries(found, required)
    validation = validate(test, {"name": name, "expectations": given}) if given else None
    kept, dropped = [], []
    for entry, result in zip(given, validation.result["results"] if validation else (), strict=True):
        tried, why = _tried(entry, result)
        if tried is None:
            dropped.append((entry, why))
        else:
            kept.append(tried)
    seen = next((one.rows for one in found.values()), 0)
    held_out = validation.counts.rows if validation else 0
    meta = {"suggested_from": {"rows": seen, "held_out": held_out, "share": share}}
    return Suggestion({"name": name, "expectations": kept, "meta": meta}, tuple(dropped), seen, held_out)


def _tried(entry: Entry, result: Mapping[str, Any]) -> tuple[Entry | None, str]:
    """The entry with what the held-out rows say of it, softened if a few fail; None if it has to go, and why."""
    counts = result.get("result") or {}
    rows, failed = counts.get("element_count"), counts.get("unexpected_count")
    if rows is None or failed is None:
        return None, "it could not be judged on the held-out rows"
    judged = rows if entry["type"].endswith("not_be_null") else rows - (counts.get("missing_count") or 0)
    sure = bound(judged, failed)
    meta = {**entry["meta"], "confidence": math.floor(sure * 1e4) / 1e4, "held_out": {"rows": judged, "failed": failed}}
    kwargs = dict(entry["kwargs"])
    if failed and "mostly" not in kwargs:
        if entry["type"].endswith("be_unique") or sure < _LEAST:
            return None, f"{failed:,} of {judged:,} held-out rows failed"
        kwargs["mostly"] = math.floor(sure * 100) / 100
        meta["reason"] += f"; {failed:,} of {judged:,} held-out rows failed, so mostly"
    elif not result.get("success"):
        return None, f"{failed:,} of {judged:,} held-out rows failed"
    return {**entry, "kwargs": kwargs, "meta": meta}, ""
