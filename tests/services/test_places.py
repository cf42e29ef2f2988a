"""The loop with its tables on S3 and its models on an MLflow server (PostgreSQL, artifacts on S3): the same rows.

Many minutes: run by hand, tests/run.sh tests/services/test_places.py -m slow.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..jars import joined
from ..postgres import server as postgres
from ..run.conftest import JAVA, ROOT
from ..run.contents import contents
from ..standalone import free_port
from .conftest import PROGRAMS, reaching, running

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.services, pytest.mark.slow]
TABLES = ("features", "labels", "predictions", "decisions")


class Places:
    """An S3 server with a bucket, a PostgreSQL server, and what a job needs to reach them."""

    def __init__(self, folder: Path, endpoint: str, database: int) -> None:
        self.folder, self.endpoint, self.database, self.mlflow = folder, endpoint, database, free_port()
        lines = [f"{name} {value}\n" for name, value in reaching(endpoint).items()]
        (folder / "s3.conf").write_text("".join(lines))

    def server(self) -> AbstractContextManager[None]:
        command = [PROGRAMS / "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.mlflow), "--workers", "1",
                   "--backend-store-uri", f"postgresql+psycopg2://postgres@127.0.0.1:{self.database}/postgres",
                   "--artifacts-destination", "s3://lake/mlflow", "--serve-artifacts"]  # fmt: skip
        return running(command, self.mlflow, self.folder / "mlflow.log", MLFLOW_S3_ENDPOINT_URL=self.endpoint,
                       MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_DISABLE_TELEMETRY="true")

    def run(self, file: Path) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "spark-submit.sh"), "--properties-file", str(self.folder / "s3.conf"),
                   "--jars", joined("jars-s3"), str(ROOT / "jobs" / "run.py"), str(file)]  # fmt: skip
        given = {name: value for name, value in os.environ.items() if name not in ("SPARK_HOME", "PYTHONPATH")}
        return subprocess.run(command, env=given | JAVA, capture_output=True, text=True, timeout=1800, check=False)


@pytest.fixture
def places(tmp_path: Path, s3: str) -> Iterator[Places]:
    with postgres() as database:
        yield Places(tmp_path, s3, database)


def test_tables_on_s3_and_models_on_a_server(
    spark: SparkSession, places: Places, lived: Path, fresh: Callable[[], Path]
) -> None:
    file = fresh()
    where = f'{{storage: "s3a://lake/buoy", tracking: "http://127.0.0.1:{places.mlflow}", default: true}}'
    text = file.read_text()
    start = text.index("local: {")
    file.write_text(f"{text[:start]}local: {where}{text[text.index('}', start) + 1 :]}")

    # No server: data are made ready all the same, the first training says what is wrong, and nothing is half-done.
    early = places.run(file)
    assert early.returncode == 1
    assert f"tracking server must answer, but http://127.0.0.1:{places.mlflow} doesn't" in early.stderr, early.stderr
    assert "the same command resumes" in early.stderr
    with places.server():
        done = places.run(file)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "nothing to do" in places.run(file).stderr
    assert not (file.parents[1] / ".data" / "buoy").exists()
    local = f"{lived.parents[1]}/.data/buoy/tables"
    for table in TABLES:
        there = contents(spark, f"s3a://lake/buoy/tables/{table}")
        assert there == contents(spark, f"{local}/{table}")
        assert there
