"""The notebooks are Databricks source: plain Python with its prose in comments, so they run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..run.conftest import environment, small_project

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.name)
def test_runs_top_to_bottom(notebook: Path, tmp_path: Path) -> None:
    assert notebook.read_text().startswith("# Databricks notebook source\n")
    file = small_project(tmp_path)
    given = environment(PERDURE_PIPELINE=str(file), PERDURE_UNTIL="2016-06-19")
    done = subprocess.run([sys.executable, str(notebook)], env=given, capture_output=True, text=True,
                          timeout=900, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "2016-06-19" in done.stdout
    assert "the report has" in done.stdout
