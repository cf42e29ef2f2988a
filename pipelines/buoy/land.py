"""Lands the readings of a buoy in the Gulf of Maine as the raw feed that pipelines/buoy.yml reads.

The data are thirteen months of half-hourly sea surface temperatures from station B01 of NERACOOS (free to use and
redistribute), as shipped by the PyPI package bokeh_sampledata. One file a day of UTC, of each part:

    moments/2016-07-01.csv      the half hours for which a temperature is wanted; a calendar, known beforehand
    readings/2016-07-01.jsonl   what the buoy measured (the pipeline file says: known three hours later)

Nothing is cleaned: hours without a reading and a half hour that was sent twice are landed as they are.

    python pipelines/buoy/land.py .data/landing/buoy
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import os
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

STATION = "B01"
CLOCK = "%Y-%m-%dT%H:%M:%SZ"


def land(folder: Path) -> list[Path]:
    """Write the feed's files into `folder` and return their paths; files already there are left untouched.

    A file appears by renaming a finished one, so a file that is there is complete and a killed run does no harm.
    Raises ModuleNotFoundError when the package that ships the data is not installed.
    """
    texts = {}
    for day, readings in _readings().items():
        texts[folder / "moments" / f"{day}.csv"] = _moments(day)
        texts[folder / "readings" / f"{day}.jsonl"] = readings
    for path, text in texts.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")  # hidden: readers of the folder pass it over
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
    return list(texts)


def _readings() -> dict[str, str]:
    """{day: its readings as JSON lines}, from the installed package, found without importing it and all of pandas."""
    spec = importlib.util.find_spec("bokeh_sampledata")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the buoy example needs the package bokeh_sampledata, which holds its data; it is not installed here. "
            "Install the examples: pip install 'perdure[examples]'"
        )
    days = defaultdict(list)
    data = Path(spec.origin).parent / "_data" / "sea_surface_temperature.csv.gz"
    with gzip.open(data, "rt", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)  # time (UTC), temperature (celsius)
        for time, celsius in rows:
            days[time[:10]].append(json.dumps({**_moment(time), "temperature": float(celsius)}) + "\n")
    return {day: "".join(lines) for day, lines in days.items()}


def _moments(day: str) -> str:
    """The 48 half hours of a day as CSV."""
    midnight = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    half_hours = [_moment((midnight + timedelta(minutes=30 * count)).strftime(CLOCK)) for count in range(48)]
    rows = [list(half_hours[0]), *(list(half_hour.values()) for half_hour in half_hours)]
    return "".join(",".join(row) + "\n" for row in rows)


def _moment(time: str) -> dict[str, str]:
    return {"moment": f"{STATION}-{time[:16]}", "at": time, "station": STATION}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python pipelines/buoy/land.py FOLDER")
    try:
        sys.stdout.write(f"{len(land(Path(sys.argv[1])))} files in {sys.argv[1]}\n")
    except ModuleNotFoundError as missing_package:
        sys.exit(str(missing_package))
