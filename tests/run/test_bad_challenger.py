"""A challenger that learnt from spoilt labels is rolled back before it serves everybody."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, environment

pytestmark = pytest.mark.long


def test_it_is_rolled_back_and_who_was_hurt_is_counted(lived: Path, tmp_path: Path) -> None:
    shutil.copytree(lived.parents[1], tmp_path / "project")
    file, found = tmp_path / "project" / "pipelines" / lived.name, tmp_path / "found.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "bad_challenger.py"), str(file), "--json", str(found)]
    command += ["--steps", "40", "100", "--minimum-rows", "20"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=900, cwd=file.parent,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(found.read_text())
    assert [(each["step"], each["decision"]) for each in told["decisions"]] == [
        ("deploy", "challenge"), ("rollout", "rollback")]
    assert "worse" in told["decisions"][-1]["reason"]
    (only,) = told["intervals"]
    # A share of the keys, most of them hurt; had it been deployed directly, as many of all keys.
    assert 0 < only["hurt"] <= only["served"] < only["rows"] == 48
    assert only["hurt"] > 0.9 * only["served"]
    assert only["directly"] > only["hurt"]
    assert f"of {only['rows']:,} rows and hurt {only['hurt']:,}" in done.stdout
