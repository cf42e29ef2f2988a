"""A search that is killed in its middle, and started again: the trials that had ended are taken as they were."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .conftest import copy_of, environment, job

pytestmark = pytest.mark.long
TRIALS, DAY = 7, "2016-06-17"
NOTES = "SELECT value FROM tags WHERE key = 'perdure.trial'"
NAMES = "SELECT name FROM runs WHERE name LIKE 'trial %' AND lifecycle_stage = 'active'"


def project(lived: Path, folder: Path) -> Path:
    """The buoy's lived days, with another search, worth interrupting, to begin."""
    file = copy_of(lived, folder)
    text, count = re.subn(r"trials: \d+", f"trials: {TRIALS}, early: 0.5", file.read_text())
    assert count == 1
    file.write_text(text)
    return file


def training(file: Path) -> dict[str, Any]:
    """Trains on the days, and gives the facts of it."""
    runs = json.loads(job("train", file, "--interval", DAY, "--json").stdout)["runs"]
    return next(dict(run["facts"]) for run in runs if run["step"] == "train")


def stored(file: Path, query: str) -> list[Any]:
    """The first column of what the tracking server's database answers."""
    with sqlite3.connect(next((file.parents[1] / ".data").rglob("mlflow.db"))) as database:
        return [value for (value,) in database.execute(query)]


def test_a_search_killed_in_its_middle_goes_on(lived: Path, tmp_path: Path) -> None:
    """Killed while trials run on a share of the rows, and again while the best run on all: every trial, its loss to the
    last bit, and the winner are those of a search that was left alone. That the ended ones are not run again their wall
    seconds tell, which no second run would repeat."""
    alone, file = training(project(lived, tmp_path / "alone")), project(lived, tmp_path / "killed")
    earlier, names = stored(file, NOTES), Counter(stored(file, NAMES))
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(file), "--interval", DAY]
    given = environment(PERDURE_KILLS=str(tmp_path / "kills"), PERDURE_KILL_WHEN="trial", PERDURE_KILL_JOB="train")
    for ended in ({"stopped"}, {"stopped", "ok"}):
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=900, cwd=file.parent)
        assert done.returncode == -9, done.stderr
        notes = [json.loads(note) for note in stored(file, NOTES) if note not in earlier]
        assert {note["status"] for note in notes} == ended
    assert len({note["number"] for note in notes}) == TRIALS

    again = training(file)
    compared = ("number", "family", "params", "loss", "early", "status")
    plain = [[{key: trial[key] for key in compared} for trial in facts["trials"]] for facts in (alone, again)]
    assert plain[0] == plain[1]
    assert [again[key] for key in ("trial", "params", "loss", "metrics")] == [
        alone[key] for key in ("trial", "params", "loss", "metrics")]
    seconds = {(trial["number"], trial["status"]): trial["seconds"] for trial in again["trials"]}
    kept = {(note["number"], note["status"]): note["seconds"] for note in notes}
    assert {key: found for key, found in kept.items() if key in seconds} == {
        key: found for key, found in seconds.items() if key in kept}
    assert len(kept.keys() & seconds.keys()) > 1
    # On the server they are there once, what the cut off search had left is gone.
    left = Counter(stored(file, NAMES)) - names
    assert (len(left), set(left.values())) == (TRIALS, {1})
