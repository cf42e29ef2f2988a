"""Unusual without thresholds: an interval's profile against those of the intervals before it.

Each measure (rows; each column's share of nulls, share of distinct values, mean; rows in categories that never came
before) is brought to a scale on which it varies evenly, and its history is fitted by least squares: level, trend, and
season where there is enough of it. The interval is unusual where its value lies outside the fit's prediction interval
(Student's t), which is exact for independent, normal deviations. The levels of all measures together are held to
`false_alarms` (Bonferroni): of intervals in which nothing changed, at most that share has any finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.profile.categories import Categories
from perdure.profile.counts import Counts
from perdure.profile.distinct import Distinct
from perdure.profile.moments import Moments
from perdure.profile.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    from perdure.core.interval import Duration

LEAST = 8
"""Intervals of history, at least, before anything can be called unusual."""
LASTS = 3
"""Intervals in a row after which what was unusual is a new level."""
_NOT_NULL = "expect_column_values_to_not_be_null"
_SEASONS = 3  # whole seasons of history that a season is fitted to
_TREND = 12  # intervals of history from which a trend is fitted
_SKETCH = 0.0235  # standard error of a sketch's number of distinct values
_SHARES = ("share of nulls", "rows in new categories", "share of quarantined rows")
_UPWARD = ("rows in new categories", "share of quarantined rows")


@dataclass(frozen=True)
class Finding:
    """One measure of one column (empty: of the table) outside what its history lets expect: between `low` and `high`.
    `chance`: how likely a value this far out is where nothing changed, all measures counted."""

    column: str
    measure: str
    value: float
    low: float
    high: float
    chance: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is open at one end is None there."""
        return {name: value if isinstance(value, str) or math.isfinite(value) else None
                for name, value in asdict(self).items()}

    def __str__(self) -> str:
        """One line for people."""
        name = f"{self.column}: {self.measure}" if self.column else self.measure
        between = f"at most {self.high:,.4g}" if self.low == -math.inf else f"{self.low:,.4g} to {self.high:,.4g}"
        return f"{name} is {self.value:,.4g}, expected {between}"


@dataclass(frozen=True)
class Measure:
    """A number about one interval: `value` for people, `even` on the scale of the test, `noise` the standard deviation
    there that sampling alone gives."""

    column: str
    name: str
    value: float
    even: float
    noise: float

    def to_list(self) -> list[Any]:
        """JSON-ready, short: there is one a column and measure in each run's record."""
        return [self.column, self.name, *(float(f"{number:.9g}") for number in (self.value, self.even, self.noise))]

    @classmethod
    def from_list(cls, data: Sequence[Any]) -> Measure:
        """The inverse of `to_list`, but for the digits."""
        return cls(*data)

    @property
    def back(self) -> Callable[[float], float]:
        """From the scale of the test to people's."""
        scales: dict[str, Callable[[float], float]] = {"rows": math.expm1, "share of distinct values": math.exp}
        return _from_arcsine if self.name in _SHARES else scales.get(self.name, float)

    @property
    def upward(self) -> bool:
        """Whether only more of it is unusual."""
        return self.name in _UPWARD


def unusual(
    history: Sequence[Profile], current: Profile, *, false_alarms: float = 0.01, season: int | None = None
) -> list[Finding]:
    """`among` for the profiles of the same columns: of the intervals before, oldest first, and of this one."""
    seen = [measures(history[:at], profile) for at, profile in enumerate(history)]
    return among(seen, measures(history, current), false_alarms=false_alarms, season=season)


def among(
    history: Sequence[Sequence[Measure]],
    current: Sequence[Measure],
    *,
    false_alarms: float = 0.01,
    season: int | None = None,
) -> list[Finding]:
    """What of `current` is unusual, the least likely first; nothing with fewer than `LEAST` intervals of history.

    `history`: the measures of the intervals before, oldest first, without those that were found unusual themselves
    (they would widen what is usual). `season`: intervals in a season (7 for days in weeks); used from three whole ones
    on. `false_alarms`: the share of unchanged intervals that may have any finding."""
    seen = [{(one.column, one.name): one for one in found} for found in history]
    tested = [(one, past) for one in current if len(past := _past(seen, one)) >= LEAST]
    found = []
    for one, past in tested:
        level = false_alarms / len(tested)
        low, high, chance = expected(past, one.even, one.noise, level, season, upward=one.upward)
        chance = min(chance * len(tested), 1.0)
        if chance <= false_alarms:
            found.append(Finding(one.column, one.name, one.value, one.back(low), one.back(high), chance))
    return sorted(found, key=lambda one: (one.chance, one.column, one.measure))


def expected(
    past: Sequence[float],
    value: float,
    noise: float,
    level: float = 0.01,
    season: int | None = None,
    *,
    upward: bool = False,
) -> tuple[float, float, float]:
    """The interval that holds the value after `past` with a chance of 1 - `level`, and the chance of one as far out as
    `value`.

    `past`: at least three more values than parameters are fitted (level; trend from twelve values on; season)."""
    from scipy.stats import t

    count = len(past)
    design = _design(count + 1, season if season and count >= _SEASONS * season else None)
    rows, row = design[:-1], design[-1]
    fitted, *_ = np.linalg.lstsq(rows, np.asarray(past, dtype=float), rcond=None)
    left = np.asarray(past, dtype=float) - rows @ fitted
    freedom = count - rows.shape[1]
    leverage = float(row @ np.linalg.pinv(rows.T @ rows) @ row)
    spread = max(float(np.sqrt(left @ left / freedom)), noise, 1e-12) * math.sqrt(1 + leverage)
    centre = float(row @ fitted)
    sides = 1 if upward else 2
    reach = float(t.isf(level / sides, freedom)) * spread
    away = (value - centre) / spread
    chance = sides * float(t.sf(away if upward else abs(away), freedom))
    return (-math.inf if upward else centre - reach), centre + reach, chance


def measures(before: Sequence[Profile], profile: Profile) -> list[Measure]:
    """The measures of one interval's profile; `before` are the profiles that came before it."""
    found = [Measure("", "rows", profile.rows, math.log1p(profile.rows), 1 / math.sqrt(profile.rows + 1))]
    for name, column in profile.columns.items():
        earlier = [one.columns[name] for one in before if name in one.columns and one.columns[name].kind == column.kind]
        found += list(_column(name, column, earlier))
    return found


def of_source(rows: int, quarantined: int, result: Mapping[str, Any] | None) -> list[Measure]:
    """The measures of a source's interval: its rows, the share that went to quarantine, and what its suite has counted
    anyway (`result`: Great Expectations' own): each column's share of nulls, and the numbers that were observed of
    columns (a mean, say), under the expectation's name."""
    found = [Measure("", "rows", rows, math.log1p(rows), 1 / math.sqrt(rows + 1))]
    if rows:
        found.append(_share("", "share of quarantined rows", quarantined, rows))
    nulls: dict[str, Measure] = {}
    observed: dict[tuple[str, str], Measure] = {}
    for one in (result or {}).get("results", ()):
        asked, got = one["expectation_config"], one.get("result") or {}
        column, kind = asked["kwargs"].get("column"), asked["type"]
        if column is None or asked["kwargs"].get("row_condition"):
            continue
        empty = got.get("unexpected_count" if kind == _NOT_NULL else "missing_count")
        if got.get("element_count") and empty is not None:
            nulls[column] = _share(column, "share of nulls", empty, got["element_count"])
        value = got.get("observed_value")
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            name = kind.removeprefix("expect_column_").removesuffix("_to_be_between").replace("_", " ")
            observed[column, name] = Measure(column, name, float(value), float(value), 0.0)
    return [*found, *nulls.values(), *observed.values()]


def season_of(interval: Duration) -> int | None:
    """How many intervals make the season that is looked for: a day of hours, a week of days, a year of months."""
    length = {"minute": 1440, "hour": 24, "day": 7, "week": 52, "month": 12}.get(interval.unit, 0)
    count = length // interval.count
    return count if count > 1 and length % interval.count == 0 else None


def usual(past: Sequence[tuple[Sequence[Measure], Sequence[tuple[str, str]]]]) -> list[list[Measure]]:
    """The measures of the intervals before (oldest first, each with the columns and names found unusual then), less the
    unusual ones; but what stayed unusual for `LASTS` intervals in a row is a new level, and stays in."""
    found = [list(measured) for measured, _ in past]
    names = {name for _, unlike in past for name in unlike}
    for name in names:
        flags = [name in unlike for _, unlike in past]
        for at in (at for at, flagged in enumerate(flags) if flagged):
            first, last = at, at
            while first > 0 and flags[first - 1]:
                first -= 1
            while last + 1 < len(flags) and flags[last + 1]:
                last += 1
            if last - first + 1 < LASTS:
                found[at] = [one for one in found[at] if (one.column, one.name) != name]
    return found


def _column(name: str, column: ColumnProfile, earlier: Sequence[ColumnProfile]) -> Iterator[Measure]:
    counts, distinct, moments = column.need(Counts), column.get(Distinct), column.get(Moments)
    given = counts.rows - counts.nulls
    if counts.rows:
        yield _share(name, "share of nulls", counts.nulls, counts.rows)
    if distinct is not None and given:
        share = min(distinct.estimate / given, 1.0)
        yield Measure(name, "share of distinct values", share, math.log(share), _SKETCH)
    if moments is not None and moments.mean is not None and moments.deviation is not None:
        noise = moments.deviation / math.sqrt(moments.count)
        if math.isfinite(noise):
            yield Measure(name, "mean", moments.mean, moments.mean, noise)
    categories = column.get(Categories)
    if categories is not None and earlier and given:
        new = _unseen(categories, [one.need(Categories) for one in earlier])
        if new is not None:
            yield _share(name, "rows in new categories", new, given)


def _unseen(now: Categories, earlier: Sequence[Categories]) -> int | None:
    """Rows in categories that no earlier profile has; None where one of them no longer tells categories apart."""
    if now.full or any(one.full for one in earlier):
        return None
    known = {name for one in earlier for name, rows in one.counts.items() if rows}
    return sum(rows for name, rows in now.counts.items() if name not in known)


def _share(column: str, name: str, part: int, whole: int) -> Measure:
    """A share on the arcsine scale, where sampling alone gives it the same noise wherever it lies (Anscombe, 1948)."""
    even = math.asin(math.sqrt((part + 0.375) / (whole + 0.75)))
    return Measure(column, name, part / whole, even, 0.5 / math.sqrt(whole + 0.5))


def _from_arcsine(even: float) -> float:
    return math.sin(min(max(even, 0.0), math.pi / 2)) ** 2


def _past(seen: Sequence[dict[tuple[str, str], Measure]], one: Measure) -> list[float]:
    return [past[one.column, one.name].even for past in seen if (one.column, one.name) in past]


def _design(count: int, season: int | None) -> np.ndarray:
    """One row an interval: level (of each phase of the season), and trend where there is enough of it."""
    time = np.arange(count, dtype=float) - count / 2
    phases = (
        np.ones((count, 1))
        if season is None
        else (np.arange(count)[:, None] % season == np.arange(season)).astype(float)
    )
    return np.column_stack([phases, time]) if count > _TREND else phases
