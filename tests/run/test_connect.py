"""A life over Spark Connect: the same rows, and what can't be done there is said before it starts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..standalone import free_port, wait_for
from .conftest import JAVA, ROOT, job
from .contents import same

pytestmark = [pytest.mark.long, pytest.mark.cluster, pytest.mark.slow]
SUBMIT = str(ROOT / "spark-submit.sh")


def environment() -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name not in ("SPARK_HOME", "PYTHONPATH")}
    return given | JAVA


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A Spark Connect server with the project's settings; gives its address."""
    port = free_port()
    command = [SUBMIT, "--conf", f"spark.connect.grpc.binding.port={port}",
               "--conf", "spark.connect.grpc.binding.address=127.0.0.1",
               "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]  # fmt: skip
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for(port, 180)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def over(server: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SUBMIT, "--remote", server, *words], env=environment(), capture_output=True, text=True,
                          timeout=900, check=False, cwd=ROOT)  # fmt: skip


def test_a_life_over_connect(spark: Any, lived: Path, fresh: Callable[[], Path], server: str) -> None:
    """All but the trainings, which are done where the models are stored from; then the life goes on over Connect."""
    file = fresh()
    for trained in ("2016-06-17", "2016-06-19"):
        stopped = over(server, "jobs/run.py", str(file))
        assert stopped.returncode == 5, stopped.stderr
        assert f"error: train of {trained} needs a session of its own" in stopped.stderr
        assert "failed" not in stopped.stderr
        job("retrain", file, "--interval", trained)
    done = over(server, "jobs/run.py", str(file))
    assert (done.returncode, "nothing to do" in done.stderr) == (0, True), done.stderr
    same(spark, lived.parents[1], file.parents[1])
    reasons = over(server, "jobs/explain.py", str(file), "--interval", "2016-06-18")
    assert (reasons.returncode, "explain of 2016-06-18 needs a session" in reasons.stderr) == (5, True), reasons.stderr
