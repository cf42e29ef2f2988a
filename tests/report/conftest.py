"""A year of flights as the report sees it: made up, but shaped and sized like the real one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from perdure.core.gate import GateLine, GateResult
from perdure.core.record import RunRecord, TableVersion
from perdure.report.data import (
    Champion,
    Comparison,
    Decision,
    Distribution,
    Drift,
    Importance,
    Kind,
    Performance,
    PipelineFacts,
    Profile,
    ReportData,
    Slice,
    Together,
    Told,
    ToldBin,
    ToldSlice,
    Trial,
    Unusual,
)
from perdure.report.render import render

MONTHS = tuple(f"2013-{month:02d}" for month in range(1, 13))
ROWS = dict(
    zip(MONTHS, (27004, 24951, 28834, 28330, 28796, 28243, 29425, 29327, 27574, 28889, 27268, 28135), strict=True)
)
LOSS = dict(zip(MONTHS[4:], (0.487, 0.556, 0.561, 0.482, 0.401, 0.428, 0.431, 0.583), strict=True))
AUC = dict(zip(MONTHS[4:], (0.703, 0.712, 0.716, 0.698, 0.674, 0.684, 0.689, 0.671), strict=True))
EXPECTED = dict(zip(MONTHS[4:], (0.482, 0.541, 0.548, 0.494, 0.418, 0.425, 0.437, 0.547), strict=True))
CHAMPIONS = {"1": "2013-05", "2": "2013-08", "4": "2013-12"}
# fmt: off
COLUMNS = {  # yearly swing of the drift, weight in the model
    "temp": (0.95, 0.05), "dewp": (0.72, 0.03), "humid": (0.11, 0.04), "wind_speed": (0.09, 0.02), "visib": (0.2, 0.04),
    "precip": (0.14, 0.06), "pressure": (0.17, 0.03), "hour": (0.02, 0.24), "weekday": (0.01, 0.03),
    "distance": (0.02, 0.06), "carrier": (0.03, 0.08), "origin": (0.01, 0.03), "seats": (0.05, 0.02),
    "carrier_late_7d": (0.38, 0.13), "origin_late_7d": (0.41, 0.1), "route_late_30d": (0.29, 0.04),
}
CARRIERS = {"UA": -0.02, "B6": 0.02, "EV": 0.06, "DL": -0.04, "AA": -0.02, "MQ": 0.03, "US": -0.06, "9E": 0.03,
            "WN": 0.04, "FL": 0.11, "F9": 0.14, "HA": -0.13}
SHARES = {"UA": 0.17, "B6": 0.16, "EV": 0.16, "DL": 0.14, "AA": 0.1, "MQ": 0.08, "US": 0.06, "9E": 0.05, "WN": 0.04,
          "FL": 0.01, "F9": 0.002, "HA": 0.001, "EWR": 0.36, "JFK": 0.33, "LGA": 0.31}
KEPT = {"2013-12": "log loss is 22% worse than promised, but the cooldown of 2 intervals after a training is not over"}
STEPS = {"ingest": 1.6, "validate": 2.4, "featurize": 3.1, "train": 21.0, "evaluate": 2.2, "deploy": 0.5, "score": 2.9,
         "monitor": 3.8, "performance": 1.9, "retrain": 0.2}
# fmt: on


def a_run(step: str, interval: str, **changes: Any) -> RunRecord:
    """A run record with sensible values for what isn't given."""
    subject = changes.get("subject", "")
    base: dict[str, Any] = {
        "run_id": f"{step}-{subject}-{interval}",
        "pipeline": "flights",
        "step": step,
        "subject": subject,
        "interval": interval,
        "interval_start": "",
        "interval_end": "",
        "status": "done",
        "code_version": "0.1.0",
        "config": {},
        "seed": 42,
        "started_at": f"{interval}T00:00:00Z",
        "seconds": STEPS.get(step, 1.0),
        "who": "analyst",
        "target": "local",
    }
    return RunRecord(**{**base, **changes})


def outputs(**rows: int) -> tuple[TableVersion, ...]:
    """Table versions as a run record carries them."""
    return tuple(TableVersion(table, 1, count) for table, count in rows.items())


def expectation(kind: str, column: str, broken: int, **bounds: Any) -> dict[str, Any]:
    """One of Great Expectations' results."""
    return {
        "success": not broken,
        "expectation_config": {"type": kind, "kwargs": {"column": column, **bounds}},
        "result": {"unexpected_count": broken},
    }


def _checked(source: str, month: str, rows: int, dice: random.Random) -> list[RunRecord]:
    broken = {"schedule": 0.0026, "actuals": 0.0004, "weather": 0.0011}[source] * dice.uniform(0.5, 1.6)
    bad = round(rows * broken)
    found = {
        "schedule": [
            expectation("expect_column_values_to_not_be_null", "tailnum", bad),
            expectation("expect_column_values_to_be_in_set", "origin", 0),
        ],
        "actuals": [
            expectation("expect_column_values_to_be_between", "arr_delay", bad, min_value=-120, max_value=1500)
        ],
        "weather": [expectation("expect_column_values_to_be_between", "wind_speed", 0, min_value=0, max_value=80)],
    }[source]
    twice = bad if source == "weather" else 0
    facts = {"rows_in": rows, "duplicates": twice, "result": {"success": not bad, "results": found}}
    written = {f"raw_{source}": rows}
    return [
        a_run("ingest", month, subject=source, outputs=outputs(**written), seconds=dice.uniform(1.1, 2.2)),
        a_run(
            "validate",
            month,
            subject=source,
            facts=facts,
            seconds=dice.uniform(1.8, 3.2),
            outputs=outputs(**{source: rows - bad, f"{source}_quarantine": bad}),
            gate=GateResult("validate", (GateLine("quarantined rows", True, f"{bad / rows:.1%}", "at most 5%"),)),
        ),
    ]


def _runs(dice: random.Random) -> tuple[RunRecord, ...]:
    runs = [
        a_run("ingest", "", subject="planes", outputs=outputs(raw_planes=3322)),
        a_run(
            "validate",
            "",
            subject="planes",
            outputs=outputs(planes=3252, planes_quarantine=70),
            facts={
                "rows_in": 3322,
                "result": {"results": [expectation("expect_column_values_to_not_be_null", "year", 70)]},
            },
        ),
    ]
    for month, rows in ROWS.items():
        runs += _checked("schedule", month, rows, dice)
        runs += _checked("actuals", month, round(rows * 0.975), dice)
        runs += _checked("weather", month, 2180, dice)
        runs.append(a_run("featurize", month, outputs=outputs(features=rows - 60, labels=round(rows * 0.97))))
        if month >= "2013-05":
            runs.append(a_run("score", month, outputs=outputs(predictions=rows - 60), seconds=dice.uniform(2, 4)))
            runs.append(a_run("monitor", month, seconds=dice.uniform(3, 5)))
            runs.append(a_run("performance", month))
        if month >= "2013-04":
            runs.append(a_run("retrain", month))
        if month in ("2013-04", "2013-07", "2013-09", "2013-11"):
            runs += [a_run(step, month, seconds=STEPS[step] * dice.uniform(0.9, 1.3)) for step in ("train", "evaluate")]
    return tuple(runs)


def champion_of(month: str) -> str:
    """The version that serves in a month."""
    return max((since, version) for version, since in CHAMPIONS.items() if since <= month)[1]


def _performance(dice: random.Random) -> tuple[Performance, ...]:
    rows: list[Performance] = []

    def add(month: str, metric: str, kind: Kind, value: float, width: float, part: Slice = None) -> None:
        count = round((ROWS[month] - 60) * (SHARES[part[1]] if part else 1))
        rows.append(Performance(month, metric, kind, value, champion_of(month), part, value - width, value + width,
                                count, 0.974, f"{month}-31"))  # fmt: skip

    for month, loss in LOSS.items():
        add(month, "log_loss", "realised", loss, 0.007)
        add(month, "area_under_roc", "realised", AUC[month], 0.008)
        add(month, "log_loss", "expected", EXPECTED[month], 0.012)
        for key, values in (("carrier", CARRIERS), ("origin", {"EWR": 0.02, "JFK": -0.01, "LGA": -0.015})):
            for name, shift in values.items():
                value = loss * (1 + shift * (2 if month == "2013-12" else 1)) + dice.uniform(-0.012, 0.012)
                width = 0.11 if name in ("HA", "F9") else 0.022 if key == "carrier" else 0.01
                add(month, "log_loss", "realised", value, width, (key, name))
    return tuple(rows)


def _drift(dice: random.Random) -> tuple[Drift, ...]:
    rows = []
    for number, month in enumerate(MONTHS[4:]):
        for column, (swing, _) in COLUMNS.items():
            season = abs(math.sin((number + 1) / 8 * math.pi * 0.8)) if month < "2013-12" else 0.35
            rows.append(
                Drift(
                    month,
                    column,
                    {
                        "population_stability_index": max(0.001, swing * season + dice.gauss(0, 0.008)),
                        "js_distance": swing / 3,
                    },
                )
            )
    return tuple(rows)


def _told() -> tuple[Told, ...]:
    late = ToldBin("0.35 to 0.4", 0.08, 0.31, 0.55)
    return (
        Told("2013-12", "carrier_late_7d", 0.13, 0.38, 0.41, (late, ToldBin("below 0.1", 0.2, 0.05, 0.3)),
             (ToldSlice("origin", "EWR", 9900, 0.61, 0.52, late), ToldSlice("carrier", "EV", 4200, 0.9, 0.33))),
        Told("2013-12", "temp", 0.05, 0.95, 0.28, (ToldBin("24 to 31", 0.03, 0.24, 0.7),), ()),
    )


def _distributions() -> tuple[Distribution, ...]:
    def bell(centre: float, count: int = 14) -> tuple[float, ...]:
        return tuple(round(9000 * math.exp(-(((n - centre) / 2.6) ** 2))) for n in range(count))

    edges = (-math.inf, *(float(10 + 7 * n) for n in range(13)), math.inf)
    return (
        Distribution("temp", "2013-12", edges, bell(7.5), bell(3.6)),
        Distribution("dewp", "2013-12", edges, bell(6.5), bell(3.9)),
        Distribution("origin_late_7d", "2013-12", tuple(n / 20 for n in range(13)), bell(4, 12), bell(7.5, 12)),
        Distribution("carrier_late_7d", "2013-12", tuple(n / 20 for n in range(13)), bell(4, 12), bell(6.5, 12)),
        Distribution(
            "carrier",
            "2013-12",
            ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "HA"),
            (19000, 18000, 17000, 15900, 10900, 8700, 6700, 6100, 4000, 1700, 1000, 240, 230, 112),
            (4900, 4600, 4200, 4100, 2700, 2100, 1700, 1500, 1000, 450, 60, 62, 60, 28),
        ),
    )


def _trainings(dice: random.Random) -> tuple[tuple[Trial, ...], tuple[Comparison, ...]]:
    trials: list[Trial] = []
    comparisons: list[Comparison] = []
    plan = (
        ("2013-04", "1", None, 0.497, True),
        ("2013-07", "2", "1", 0.512, True),
        ("2013-09", "3", "2", 0.437, False),
        ("2013-11", "4", "2", 0.476, True),
    )
    for month, version, champion, loss, passed in plan:
        tried = []
        for number in range(10):
            family = ("logistic_regression", "random_forest", "gradient_boosted_trees")[number % 3]
            params = {"max_depth": 3 + number % 5, "step_size": 0.05 + 0.013 * number, "max_iter": 20 + number}
            tried.append(
                Trial(month, number + 1, family, params, round(loss + dice.uniform(0.002, 0.05), 4), dice.uniform(1, 4))
            )
        best = min(range(10), key=lambda n: tried[n].loss or 9)
        tried[best] = replace(tried[best], chosen=True, loss=loss - 0.004)
        trials += tried
        other = loss + 0.031 if passed else loss - 0.002
        lines = [GateLine("log_loss", loss <= 0.6, f"{loss:.3f}", "at most 0.6")]
        if champion:
            lines.append(
                GateLine(
                    "beats the champion in log_loss",
                    passed,
                    f"better by {other - loss:.3f}, 95% range {other - loss - 0.004:.3f} to {other - loss + 0.004:.3f}",
                    "more than 0",
                )
            )
        comparisons.append(
            Comparison(
                month,
                version,
                champion,
                {
                    "log_loss": (loss, other if champion else None),
                    "area_under_roc": (0.71, 0.69 if champion else None),
                },
                GateResult("evaluate", tuple(lines)),
            )
        )
    return tuple(trials), tuple(comparisons)


def _decisions() -> tuple[Decision, ...]:
    rows = []
    trained = {
        "2013-04": "no model has served yet and the window of 4 months is full",
        "2013-07": "log loss 0.561 in July is 13% worse than the 0.497 that version 1 showed on its held-out rows",
        "2013-09": "3 columns have drifted above 0.2 (temp, dewp, origin_late_7d)",
        "2013-11": "3 columns have drifted above 0.2 and the champion's data ended 3 months ago",
    }
    for month in MONTHS[3:]:
        if month in trained:
            rows.append(
                Decision(
                    month,
                    "retrain",
                    "train",
                    trained[month],
                    {"drifted_columns": ["temp", "dewp"], "log_loss": 0.561, "new_rows": 84321},
                    "",
                    f"{month}-31T1",
                )
            )
            version = {"2013-04": "1", "2013-07": "2", "2013-09": "3", "2013-11": "4"}[month]
            good = version != "3"
            rows.append(
                Decision(
                    month,
                    "gate",
                    "promote" if good else "refuse",
                    "every rule held" if good else "no better than the champion beyond chance",
                    {},
                    version,
                    f"{month}-31T2",
                )
            )
        else:
            rows.append(
                Decision(
                    month,
                    "retrain",
                    "keep",
                    KEPT.get(month, "nothing is due: log loss is within 5% of its promise and no column drifted"),
                    {"log_loss": LOSS.get(month)},
                    "",
                    f"{month}-31T1",
                )
            )
    return tuple(rows)


@cache
def flights_year() -> ReportData:
    """The year 2013, with champions from May on."""
    dice = random.Random(7)
    trials, comparisons = _trainings(dice)
    profiles = tuple(
        Profile(month, column, ROWS[month], 12, 55 + 20 * math.sin(n / 2), 10.9, 100.0)
        for n, month in enumerate(MONTHS)
        for column in ("temp", "dewp")
    )
    return ReportData(
        pipeline=PipelineFacts(
            name="flights",
            target="local",
            interval="1 month",
            label="late",
            metric="log_loss",
            description="Will a flight out of New York arrive 15 or more minutes late? Told from what is known at its "
            "scheduled hour.",
            sources=("schedule", "actuals", "weather", "planes"),
            thresholds={"log_loss": 0.6},
            commands=(
                ("The whole year again", "./spark-submit.sh jobs/run.py pipelines/flights.yml"),
                ("This page again", "./spark-submit.sh jobs/report.py pipelines/flights.yml"),
                ("The champion, retrained and compared", "./spark-submit.sh jobs/reproduce.py pipelines/flights.yml 4"),
                ("Every run with its inputs", "./spark-submit.sh jobs/history.py pipelines/flights.yml"),
            ),
        ),
        generated_at="2026-11-23T10:44:00+00:00",
        runs=_runs(dice),
        champions=tuple(Champion(version, since) for version, since in CHAMPIONS.items()),
        performance=_performance(dice),
        drift=_drift(dice),
        profiles=profiles,
        unusual=(
            Unusual("2013-12", "weather", "wind_speed", "share of nulls", 0.081, 0.001, 0.012),
            Unusual("2013-12", "", "tailnum_age", "rows in new categories", 0.02, None, 0.004),
            Unusual("2013-11", "schedule", "", "rows", 27268, 27900, 30150),
        ),
        told=_told(),
        together=tuple(
            Together(month, 1.41 + 0.02 * (n % 3) + 0.1 * (n == 7), 1.38, 1.47, n == 7, (("temp", 0.4), ("dewp", 0.2)))
            for n, month in enumerate(MONTHS[4:])
        ) + tuple(
            Together(month, 0.55 + 0.03 * n, 0.5, 0.7, n > 5, (("dew_spread", 0.31), ("hour", 0.2)), "domain")
            for n, month in enumerate(MONTHS[4:])
        ) + (Together("2013-12", 0.87, 0.9, 1.0, True, (("temp", 0.12),), "attributions"),),
        distributions=_distributions(),
        importance=tuple(Importance(column, weight) for column, (_, weight) in COLUMNS.items()),
        trials=trials,
        comparisons=comparisons,
        decisions=_decisions(),
    )


@pytest.fixture(scope="session")
def year() -> ReportData:
    """The flights year."""
    return flights_year()


@pytest.fixture(scope="session")
def page(year: ReportData) -> str:
    """The flights year's page."""
    return render(year)


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunRecord]:
    """`a_run`, for tests of what is read from run records."""
    return a_run
