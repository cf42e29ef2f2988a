"""Group fairness from the tallies of one slice column: its values are the groups. Binary tasks, as it was decided.

Definitions as in Fairlearn (Weerts et al. 2023, "Fairlearn: assessing and improving fairness of AI systems"):
demographic parity compares the groups' selection rates, equal opportunity their true positive rates, equalized odds
the worse of true and false positive rates. A difference is the greatest less the least rate; a ratio the least over
the greatest. One thing differs: a rate that a group has no rows for (no positives, say) is left out here, where
Fairlearn counts it as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from perdure.core.errors import UsageError

from .tally import Tally

# The rates each metric compares.
_COMPARED = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
METRICS = tuple(f"{name}_{form}" for name in _COMPARED for form in ("difference", "ratio"))


@dataclass(frozen=True)
class Group:
    """One group: rows with a label, and its rates (selection, true and false positive, accuracy) where defined."""

    value: str
    rows: int
    rates: Mapping[str, float]


def groups(tallies: Iterable[Tally], model: str, column: str, *, minimum: int = 0) -> list[Group]:
    """The groups of a slice column with at least `minimum` rows with a label, by value."""
    found = [tally for tally in tallies if tally.model == model and tally.slice_key == column]
    return [Group(str(tally.slice_value), tally.n, _rates(tally)) for tally in found if tally.n >= max(minimum, 1)]


def _rates(tally: Tally) -> dict[str, float]:
    hit, false, missed, rest = tally.confusion
    parts = {
        "selection_rate": (hit + false, hit + false + missed + rest),
        "true_positive_rate": (hit, hit + missed),
        "false_positive_rate": (false, false + rest),
        "accuracy": (hit + rest, hit + false + missed + rest),
    }
    return {name: some / whole for name, (some, whole) in parts.items() if whole}


def lower_is_fairer(name: str) -> bool:
    """Differences are better small, ratios near 1. Raises UsageError when there is no such metric."""
    if name not in METRICS:
        raise UsageError(f"there is no fairness metric '{name}'; there are: {', '.join(METRICS)}")
    return name.endswith("_difference")


def measured(found: Iterable[Group]) -> dict[str, float]:
    """Every fairness metric that is defined: at least two groups must have the rates that it compares."""
    rates = [group.rates for group in found]
    result = {}
    for name, compared in _COMPARED.items():
        columns = [[each[rate] for each in rates if rate in each] for rate in compared]
        if all(len(values) > 1 for values in columns):
            result[f"{name}_difference"] = max(max(values) - min(values) for values in columns)
            # Where no group has any, all are alike.
            result[f"{name}_ratio"] = min(min(values) / max(values) if max(values) else 1.0 for values in columns)
    return result
