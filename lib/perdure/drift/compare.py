"""Every statistic for every column of two profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.profile.counts import Counts
from perdure.profile.distinct import Distinct
from perdure.profile.moments import Moments

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile, Profile

_PACKAGE = "perdure.drift"


@dataclass(frozen=True)
class ColumnDrift:
    """How a column changed. `statistics` and `pvalues` go by registered name, None where not defined; `deltas` are
    current less reference, in rows, the column's unit and per cent; `drifted` names the statistics above their
    threshold. `comparable` is False where the two were profiled over other edges, types or categories."""

    column: str
    data_type: str
    statistics: Mapping[str, float | None] = field(default_factory=dict)
    pvalues: Mapping[str, float | None] = field(default_factory=dict)
    deltas: Mapping[str, float | None] = field(default_factory=dict)
    drifted: tuple[str, ...] = ()
    comparable: bool = True


@cache
def members() -> dict[str, Any]:
    """The modules of all registered statistics, by name."""
    return {name: registry.load(_PACKAGE, name) for name in registry.names(_PACKAGE)}


def compare(reference: Profile, current: Profile) -> list[ColumnDrift]:
    """One entry a column that both have, in the reference's order."""
    return [
        compare_column(name, column, current.columns[name])
        for name, column in reference.columns.items()
        if name in current.columns
    ]


def compare_column(name: str, reference: ColumnProfile, current: ColumnProfile) -> ColumnDrift:
    """Every statistic that applies to the column's kind."""
    deltas = _deltas(reference, current)
    if reference.data_type != current.data_type or reference.zero() != current.zero():
        return ColumnDrift(name, current.data_type, deltas=deltas, comparable=False)
    fitting = {key: module for key, module in members().items() if reference.kind in module.applies_to}
    values = {key: module.statistic(reference, current) for key, module in fitting.items()}
    pvalues = {key: module.pvalue(reference, current) for key, module in fitting.items() if hasattr(module, "pvalue")}
    drifted = tuple(key for key, value in values.items() if value is not None and value > fitting[key].threshold)
    return ColumnDrift(name, current.data_type, values, pvalues, deltas, drifted)


def figures(column: ColumnProfile) -> dict[str, float | None]:
    """The plain figures of a column: `count` of values, `avg`, and shares of the rows in per cent."""
    counts, moments = column.need(Counts), column.get(Moments)
    distinct = column.get(Distinct)
    values = counts.rows - counts.nulls
    return {
        "count": values,
        "avg": moments.mean if moments else None,
        "percent_null": _percent(counts.nulls, counts.rows),
        "percent_zeros": _percent(counts.zeros, counts.rows) if moments else None,
        "percent_nan": _percent(counts.nans, counts.rows) if moments else None,
        "percent_distinct": _percent(min(distinct.estimate, values), counts.rows) if distinct else None,
    }


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _deltas(reference: ColumnProfile, current: ColumnProfile) -> dict[str, float | None]:
    ours, theirs = figures(reference), figures(current)
    found = {}
    for key, value in ours.items():
        now = theirs[key]
        found[key] = now - value if value is not None and now is not None else None
    return found
