"""A pipeline's life as its users live it: whole, job by job, again, and killed again and again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Here, copy_of, environment
from .contents import rows, tables

pytestmark = pytest.mark.long
DAYS = ("2016-06-16", "2016-06-17", "2016-06-18", "2016-06-19")
STEPS = ("ingest", "validate", "featurize", "score", "monitor", "retrain")

# Where a killed run leaves another state behind than at the others: one of a step's tables is there, or all of them but
# not its record; nothing of the next step; a training that no record names; a version without alias; an alias on which
# no record stands.
KINDS = ("after write readings 2016-06-16", "before record", "after record",
         "before write predictions", "after registration", "after model version", "after alias")  # fmt: skip


def same(spark: Any, expected: Path, found: Path) -> None:
    assert tables(found) == tables(expected)
    for table in tables(expected):
        assert rows(spark, found, table) == rows(spark, expected, table), f"table {table} differs"


def test_the_life_closes_the_loop(spark: Any, lived: Path, here: Here) -> None:
    runs = json.loads(here("jobs/history.py", lived, "--json").stdout)
    steps = {run["step"] for run in runs}
    assert steps == {*STEPS, "performance", "train", "leakage", "evaluate", "deploy"}
    assert all(run["status"] in ("done", "refused") for run in runs)
    decisions = [run["facts"] for run in runs if run["step"] == "retrain"]
    assert [facts["decision"] for facts in decisions]== ["keep", "train", "keep", "train"]
    assert all(facts["reason"] for facts in decisions)
    predictions = rows(spark, lived.parents[1], "predictions")
    assert len(predictions) == 2 * 48
    assert (lived.parents[1] / ".data" / "buoy" / "report.html").stat().st_size > 10_000


def test_expected_stands_beside_realised(spark: Any, lived: Path) -> None:
    found = rows(spark, lived.parents[1], "performance")
    assert {"realised", "expected", "estimation_error"} <= {json.loads(row)["kind"] for row in found}


def test_the_policy_replayed_decides_as_it_did(lived: Path, here: Here) -> None:
    replayed = json.loads(here("jobs/policy.py", "replay", lived, "--json").stdout)
    assert [each["interval"] for each in replayed] == list(DAYS)
    assert [each["would"] for each in replayed] == [each["decided"] for each in replayed]


def test_again_does_nothing(lived: Path, here: Here) -> None:
    result = json.loads(here("jobs/run.py", lived, "--json").stdout)
    assert result["runs"] == []
    assert result["already_done"] > 30


def test_rerun_is_recorded_with_what_it_repeats(fresh: Callable[[], Path], here: Here) -> None:
    file = fresh()
    here("jobs/ingest.py", file, "--interval", DAYS[0])
    again = json.loads(here("jobs/ingest.py", file, "--interval", DAYS[0], "--rerun", "--json").stdout)["runs"]
    assert [run["rerun_of"] is not None for run in again] == [True, True]
    assert all(run["rerun_of"] != run["run_id"] for run in again)


def test_dry_run_changes_nothing(fresh: Callable[[], Path], here: Here) -> None:
    file = fresh()
    said = here("jobs/run.py", file, "--dry-run").stderr
    assert "would run" in said
    assert not (file.parents[1] / ".data" / "buoy" / "tables").exists()


def test_reproduce_predicts_the_same(lived: Path, here: Here) -> None:
    done = here("jobs/reproduce.py", lived, "1")
    assert "are equal" in done.stdout


@pytest.mark.cluster
def test_killed_anywhere_and_started_again(spark: Any, lived: Path, fresh: Callable[[], Path], tmp_path: Path) -> None:
    """PERDURE_KILL_SHARE=1 kills at every boundary there is (an hour or more); by default once at each kind."""
    file, used = fresh(), tmp_path / "kills"
    share = os.environ.get("PERDURE_KILL_SHARE")
    which = {"PERDURE_KILL_SHARE": share} if share else {"PERDURE_KILL_AT": "\n".join(KINDS)}
    given = environment(PERDURE_KILLS=str(used), **which)
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(file)]
    kills, killed = 0, True
    while killed:
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=900, cwd=file.parent)
        killed = done.returncode == -9
        kills += killed
    assert done.returncode == 0, done.stderr
    points = used.read_text().splitlines()
    assert kills == len(points) >= 4
    print(f"killed at {kills} points")  # noqa: T201
    assert share or all(any(re.match(kind, point) for point in points) for kind in KINDS), points
    same(spark, lived.parents[1], file.parents[1])


def test_another_policy_is_lived_in_a_scratch_target(spark: Any, lived: Path, tmp_path: Path, here: Here) -> None:
    """The data are not touched, the trainings are real, and a second time finds them done."""
    file = copy_of(lived, tmp_path / "project")
    policy = tmp_path / "never.yml"
    policy.write_text("when: never\n")
    before = {table: rows(spark, file.parents[1], table) for table in ("features", "predictions", "runs")}
    command = ("jobs/policy.py", "replay", file, "--train", "--when", policy)
    really, never = json.loads(here(*command, "--json").stdout)
    assert (never["name"], never["trainings"]) == ("never", 1)
    assert really["trainings"] > 1
    first, other = really["months"][2], never["months"][2]
    assert first["interval"] == other["interval"] == DAYS[2]
    assert first["metrics"] == pytest.approx(other["metrics"])  # the first training is the same in both lives
    assert {month["interval"] for month in never["months"]} == set(DAYS)
    assert {table: rows(spark, file.parents[1], table) for table in before} == before
    again = here(*command)
    assert "1 trainings" in again.stdout
    assert " train " not in again.stderr
