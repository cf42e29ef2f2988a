"""The examples' features: point in time on real data, and equal to a plain second computation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from perdure.core.config import Pipeline
from perdure.core.interval import Interval
from perdure.features.analyse import analyse
from perdure.features.build import build, labels
from perdure.features.leakage import rows_that_differ

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Table = Callable[..., "DataFrame"]


def utc(*parts: int) -> datetime:
    """A moment in UTC."""
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


@pytest.fixture(scope="module")
def flights(table: Table) -> Mapping[str, DataFrame]:
    """The sources around the blizzard of 8 February 2013: the two weeks before it, the three days of it."""
    since, until = "timestamp'2013-01-25'", "timestamp'2013-02-11'"
    return {
        "schedule": table("flights", "schedule", "2013-02").where(f"scheduled_at < {until}"),
        "actuals": table("flights", "actuals", "2013-01", "2013-02").where(
            f"scheduled_at >= {since} AND scheduled_at < {until}"),
        "weather": table("flights", "weather", "2013-01", "2013-02").where(
            f"observed_at >= {since} AND observed_at < {until}"),
        "planes": table("flights", "planes"),
    }


@pytest.fixture(scope="module")
def february(pipelines: dict[str, Pipeline]) -> Interval:
    """The interval that `flights` is of."""
    return Interval.parse("2013-02", pipelines["flights"].interval)


@pytest.fixture(scope="module")
def computed(flights: Mapping[str, DataFrame], pipelines: dict[str, Pipeline], february: Interval) -> pd.DataFrame:
    """The features of `flights`."""
    rows: pd.DataFrame = build(flights, pipelines["flights"], february).toPandas().set_index("flight_id")
    return rows


@pytest.mark.parametrize("name", ["flights", "buoy"])
def test_the_pipeline_file_fits_its_sql_without_data(
    name: str, spark: SparkSession, pipelines: dict[str, Pipeline]
) -> None:
    columns = analyse(spark, pipelines[name]).names
    assert len(columns) == len(set(columns)) <= 32


def test_no_flight_sees_what_became_known_after_it(
    flights: Mapping[str, DataFrame], pipelines: dict[str, Pipeline], february: Interval
) -> None:
    cut = utc(2013, 2, 8, 17, 37)  # between two ticks of every clock in the SQL
    (found,) = rows_that_differ(flights, pipelines["flights"], february, [cut])
    assert (found.rows, dict(found.columns)) == (0, {})
    assert found.compared > 6_000


def test_no_half_hour_sees_a_reading_of_the_last_three_hours(table: Table, pipelines: dict[str, Pipeline]) -> None:
    days = [f"2016-07-{day:02d}" for day in range(1, 10)]
    sources = {name: table("buoy", name, *days) for name in ("moments", "readings")}
    pipeline = pipelines["buoy"]
    for label in ("2016-07-08", "2016-07-09"):  # the buoy was silent on the 8th from 02:00 to 13:30
        interval = Interval.parse(label, pipeline.interval)
        cuts = [interval.start.replace(hour=hour, minute=minute) for hour, minute in ((1, 0), (9, 30), (23, 30))]
        found = rows_that_differ(sources, pipeline, interval, cuts)
        assert [(one.compared, one.rows) for one in found] == [(3, 0), (20, 0), (48, 0)]


def test_one_row_a_scheduled_flight_with_all_shares_known(
    computed: pd.DataFrame, flights: Mapping[str, DataFrame]
) -> None:
    assert computed.index.is_unique
    assert len(computed) == flights["schedule"].count()
    shares = computed.filter(like="_late_")
    assert shares.shape[1] == 7
    assert shares.notna().all(axis=None)
    assert ((shares > 0) & (shares < 1)).all(axis=None)


def test_features_equal_a_plain_second_computation(
    computed: pd.DataFrame, flights: Mapping[str, DataFrame]
) -> None:
    schedule, actuals, weather = (flights[name].toPandas() for name in ("schedule", "actuals", "weather"))
    known = actuals.dropna(subset="arr_delay").assign(
        late=lambda rows: rows["arr_delay"] >= 15, at=lambda rows: rows["scheduled_at"] + pd.Timedelta("1D"))
    for flight in schedule.sample(60, random_state=7).itertuples():
        row, now = computed.loc[flight.flight_id], flight.scheduled_at
        usual = _share(known[known["origin"] == flight.origin], now.floor("D"), "28D", 0.2)
        assert row["origin_late_28d"] == pytest.approx(usual)
        of_carrier = known[known["carrier"] == flight.carrier]
        assert row["carrier_late_24h"] == pytest.approx(_share(of_carrier, now.floor("6h"), "24h", usual))
        of_route = known[(known["origin"] == flight.origin) & (known["dest"] == flight.dest)]
        assert row["route_late_28d"] == pytest.approx(_share(of_route, now.floor("D"), "28D", usual))
        crowd = schedule[(schedule["origin"] == flight.origin) & (schedule["scheduled_at"] <= now)
                         & (schedule["scheduled_at"] > now - pd.Timedelta("1h"))]
        assert row["departures_1h"] == len(crowd)
        seen = weather[(weather["origin"] == flight.origin) & (weather["observed_at"] + pd.Timedelta("1h") <= now)]
        assert row["temp"] == seen.sort_values("observed_at")["temp"].iloc[-1]


def _share(known: pd.DataFrame, tick: pd.Timestamp, span: str, usual: float) -> float:
    """The share of late flights among those that became known in the `span` up to `tick`, leaning to `usual` by 20."""
    seen = known[(known["at"] <= tick) & (known["at"] > tick - pd.Timedelta(span))]
    return float((seen["late"].sum() + 20 * usual) / (len(seen) + 20))


def test_a_flight_without_arrival_has_no_label(
    flights: Mapping[str, DataFrame], pipelines: dict[str, Pipeline], february: Interval
) -> None:
    outcomes = labels(flights["actuals"], pipelines["flights"], february).toPandas().set_index("flight_id")["label"]
    actuals = flights["actuals"].where("scheduled_at >= timestamp'2013-02-01'").toPandas().set_index("flight_id")
    late = actuals["arr_delay"].ge(15).astype(float).where(actuals["arr_delay"].notna())
    pd.testing.assert_series_equal(outcomes.sort_index(), late.sort_index(), check_names=False)
    assert outcomes.isna().sum() > 900  # the blizzard
