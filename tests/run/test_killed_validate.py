"""Counts that close when the validate step is killed with SIGKILL between its writes of rows; with
PERDURE_KILL_WHEN=after or =during,after after every write and record and while they are written (many times the
time)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import environment
from .test_late import BAD, GOOD, days, opened, prepare, project, sold
from .test_late import test_the_count_closes_over_all_intervals as closes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.long


def test_killed_between_writes(spark: SparkSession, tmp_path: Path) -> None:
    """The second day's validation writes its own tables and, for its late rows, the first day's anew."""
    folder = project(tmp_path / "shop")
    context = opened(spark, folder)
    first, second, third = days(context)
    prepare(context, first).ingest(second)
    context.ledger.close()
    used = tmp_path / "kills"
    points = [f"after write sales {second}", f"after write sales_quarantine {first}"]
    when = os.environ.get("PERDURE_KILL_WHEN")
    which = {"PERDURE_KILL_WHEN": when} if when else {"PERDURE_KILL_AT": "\n".join(f"{each}$" for each in points)}
    given = environment(PERDURE_KILLS=str(used), PERDURE_KILL_JOB="validate", **which)
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(folder / "shop.yml"),
               "--interval", second.label]  # fmt: skip
    killed = True
    while killed:
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=900, check=False)
        killed = done.returncode == -9
    assert done.returncode == 0, done.stderr
    kills = used.read_text().splitlines()
    assert set(points) <= set(kills)
    again = opened(spark, folder)
    prepare(again, second, third)
    assert (sold(again), sold(again, "sales_quarantine")) == (GOOD, BAD)
    closes(again)
