"""The schedule as cron and systemd get it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from perdure.cli_operate import schedule_

FLIGHTS = "pipelines/flights.yml"


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(schedule_, [FLIGHTS, *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_cron_line() -> None:
    line = printed().splitlines()[-1]
    assert line.startswith("0 0 2 * * cd ")
    assert "jobs/run.py pipelines/flights.yml --due" in line
    assert printed("--target", "monthly").splitlines()[-1].count("--due --target monthly") == 1


def test_json() -> None:
    assert json.loads(printed("--json"))["systemd"] == "*-*-02 00:00:00 UTC"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    service, timer = printed("--systemd").split("# ~/.config/systemd/user/perdure-flights.timer\n")
    (tmp_path / "perdure-flights.service").write_text(service)
    (tmp_path / "perdure-flights.timer").write_text(timer)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "perdure-flights.timer"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "perdure-flights" not in done.stderr
