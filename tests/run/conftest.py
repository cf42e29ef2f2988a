"""A small real pipeline to live: a few days of the buoy, in a project folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# So that five days hold a first training, a champion, and a retraining: (pattern, replacement) in pipelines/buoy.yml.
CHANGES = (
    (r"\nstart: \S+", "\nstart: 2016-06-15"),
    (r"\nend: \S+", "\nend: 2016-06-20"),
    (r"families: \[.*?\]", "families: [linear_regression]"),
    (r"trials: \d+", "trials: 2"),
    (r"train: \{.*?\}", "train: {window: 5 days, holdout: 1 day, minimum: 3 days}"),
    (r"cooldown: \d+", "cooldown: 1"),
    (r"\{age: .*?\}", "{age: 1 day}"),
)


def small_project(folder: Path) -> Path:
    """A project folder with the buoy's pipeline over five days; gives the pipeline file."""
    for name in ("pipelines", "expectations"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "setup.cfg").touch()
    file = folder / "pipelines" / "buoy.yml"
    text = file.read_text()
    for old, new in CHANGES:
        text, count = re.subn(old, new, text)
        assert count == 1, f"pipelines/buoy.yml has {old!r} {count} times"
    file.write_text(text)
    return file


# Short processes: the first compiler tier alone, room for its code (its own 48 MB fill up, and then nothing is compiled
# any more), and the collector that suits two cores.
JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"}


def environment(**more: str) -> dict[str, str]:
    """For a Python process that starts a session of its own."""
    return {**os.environ, **JAVA, "PYTHONPATH": str(ROOT / "lib"), "PYSPARK_PYTHON": sys.executable, **more}


def job(name: str, file: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a job in a Python process of its own, as `spark-submit.sh` would on this machine."""
    command = [sys.executable, str(ROOT / "jobs" / f"{name}.py"), str(file), *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=900, cwd=file.parent)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose five days were lived undisturbed; gives the pipeline file."""
    file = small_project(tmp_path_factory.mktemp("lived"))
    job("run", file)
    return file


@pytest.fixture
def fresh(tmp_path: Path, lived: Path) -> Callable[[], Path]:
    """Makes projects with the same landed files (times included) as `lived`, and nothing done yet."""

    def make() -> Path:
        file = small_project(tmp_path / "project")
        shutil.copytree(lived.parents[1] / ".data" / "landing", file.parents[1] / ".data" / "landing")
        return file

    return make
