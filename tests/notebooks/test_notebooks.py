"""The notebooks are Databricks source: plain Python with its prose in comments, so they run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perdure import notebook
from perdure.core.errors import UsageError

from ..run.conftest import Here, copy_of, environment, here, lived, small_project

__all__ = ["here", "lived"]
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
# What a reader must find in what each prints, over four days of the buoy.
SHOWN = {
    "explore": ("Sources", "readings", "by the reading's time", "chart: Mean temperature"),
    "train": ("Every trial", "linear_regression", "against the champion", "boosted trees", "chart: What each model leans on"),
    "why": ("The champion's succession", "Decisions", "population_stability_index", "chart: Drift by feature"),
    "operate": ("Intervals", "0 new runs", "chart: Seconds by interval", "Tables"),
    "tour": ("2016-06-18", "the report has"),
}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_it_teaches(file: Path) -> None:
    """Prose before code, and no cell that hides what it does."""
    head, *cells = file.read_text().split("# COMMAND ----------")
    assert head.startswith("# Databricks notebook source\n# MAGIC %md\n# MAGIC # ")
    assert file.stem in SHOWN
    prose = [cell for cell in cells if "# MAGIC %md" in cell]
    assert len(prose) >= (len(cells) - 2) // 2
    assert all(len(cell.strip().splitlines()) <= 35 for cell in cells)


@pytest.mark.long
def test_the_tour_lives_and_shows(tmp_path: Path) -> None:
    """In a process and a session of its own, to which the others are spared."""
    given = environment(**told(small_project(tmp_path), "2016-06-18"))
    done = subprocess.run([sys.executable, str(ROOT / "notebooks" / "tour.py")], env=given, capture_output=True,
                          text=True, timeout=900, cwd=tmp_path, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    shows("tour", done.stdout)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(SHOWN.keys() - {"tour"}))
def test_runs_top_to_bottom(name: str, lived: Path, tmp_path: Path, here: Here,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a project that has been lived, of which it must leave every table as it was."""
    project = tmp_path / "project"
    file = copy_of(lived, project)
    before = commits(project)
    for variable, value in told(file, "2016-06-19" if name != "explore" else "2016-06-18").items():
        monkeypatch.setenv(variable, value)
    shows(name, here(f"notebooks/{name}.py").stdout)
    assert commits(project) == before


def told(file: Path, until: str) -> dict[str, str]:
    """How a notebook is told what to look at, where there are no widgets."""
    return {"PERDURE_PIPELINE": str(file), "PERDURE_UNTIL": until}


def shows(name: str, printed: str) -> None:
    for text in SHOWN[name]:
        assert text in printed, printed


def commits(project: Path) -> dict[str, int]:
    logs = (project / ".data" / "buoy" / "tables").glob("*/_delta_log")
    return {log.parent.name: len(list(log.glob("*.json"))) for log in logs}


def test_small_tables_and_charts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"day": "2016-06-15T00:00:00", "who": "a<b", "n": 1.5}, {"day": "2016-06-16T00:00:00", "who": "c", "n": None}]
    notebook.show(rows, "Title")
    told = capsys.readouterr().out
    assert "Title" in told and "a<b" in told and "None" not in told
    drawn = notebook.chart(rows, "day", "n", colour="who", title="Of <n>")
    assert drawn.startswith("<svg") and "Of &lt;n&gt;" in drawn and "Jun" in drawn
    assert "(2 points)" in capsys.readouterr().out
    with pytest.raises(UsageError, match="aggregate"):
        notebook.show([{"n": 1}] * 5001)
