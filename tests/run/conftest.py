"""A small real pipeline to live: four days of the buoy, in a project folder of its own."""

from __future__ import annotations

import fcntl
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
# So that four days hold a first training, a champion that serves, and a retraining: (pattern, replacement) in
# pipelines/buoy.yml.
CHANGES = (
    (r"\nstart: \S+", "\nstart: 2016-06-16"),
    (r"\nend: \S+", "\nend: 2016-06-20"),
    (r"families: \[.*?\]", "families: [linear_regression]"),
    (r"trials: \d+", "trials: 2"),
    (r"train: \{.*?\}", "train: {window: 5 days, holdout: 1 day, minimum: 2 days}"),
    (r"cooldown: \d+", "cooldown: 1"),
    (r"\{age: .*?\}", "{age: 1 day}"),
)


def small_project(folder: Path) -> Path:
    """A project folder with the buoy's pipeline over four days; gives the pipeline file."""
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
# any more), room for classes (each time that it grows there is a full collection), and the collector that suits two
# cores.
JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m "
        "-XX:MetaspaceSize=256m"}


def environment(**more: str) -> dict[str, str]:
    """For a Python process that starts a session of its own."""
    return {**os.environ, **JAVA, "PYTHONPATH": str(ROOT / "lib"), "PYSPARK_PYTHON": sys.executable, **more}


def job(name: str, file: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a job in a Python process of its own, as `spark-submit.sh` would on this machine."""
    command = [sys.executable, str(ROOT / "jobs" / f"{name}.py"), str(file), *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=900, cwd=file.parent)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


Here = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def here(spark: SparkSession) -> Here:
    """Runs a job, or another script, in this process and its session, as a notebook would: for those whose start is
    not what is tested. Otherwise as `job`."""

    def run(script: str | Path, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        words = [str(ROOT / script), *map(str, arguments)]
        out, err, code = io.StringIO(), io.StringIO(), 0
        with patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
            try:
                runpy.run_path(words[0], run_name="__main__")
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        assert not check or code == 0, out.getvalue() + err.getvalue()
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose days were lived undisturbed; gives the pipeline file. All processes of a test run share it, so
    nobody may change it: what does, takes a copy."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / "lived", base / "lived.done"
    with (base / "lived.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            job("run", small_project(folder))
            done.touch()
    assert done.exists(), "its days were not lived to their end: see the first test that wanted it"
    return folder / "pipelines" / "buoy.yml"


def copy_of(lived: Path, folder: Path) -> Path:
    """A lived project copied to a new folder, where it may be changed; gives the pipeline file."""
    shutil.copytree(lived.parents[1], folder)
    return folder / "pipelines" / lived.name


@pytest.fixture
def fresh(tmp_path: Path, lived: Path) -> Callable[[], Path]:
    """Makes projects with the same landed files (times included) as `lived`, and nothing done yet."""

    def make() -> Path:
        file = small_project(tmp_path / "project")
        shutil.copytree(lived.parents[1] / ".data" / "landing", file.parents[1] / ".data" / "landing")
        return file

    return make
