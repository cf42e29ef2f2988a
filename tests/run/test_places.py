"""The loop with its tables on S3 and its models on an MLflow server (PostgreSQL, artifacts on S3): the same rows.

Run by hand: tests/run.sh tests/run/test_places.py -m places. PERDURE_PLACES is a folder with `s3jars` (those of
jars-s3.lock) and `venv`, an environment with mlflow, psycopg2-binary, boto3 and moto[server].
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..postgres import server as postgres
from ..standalone import free_port
from .conftest import JAVA, ROOT
from .contents import CHANCE

pytestmark = [pytest.mark.places, pytest.mark.long]
TABLES = ("features", "labels", "predictions", "decisions")
DUMP = '''
import json, sys
from perdure.io import session
spark = session.get("dump")
storage, chance, *tables = sys.argv[1:]
for table in tables:
    frame = spark.read.format("delta").load(f"{storage}/tables/{table}")
    kept = ", ".join(f"`{name}`" for name in frame.columns if name not in chance.split(","))
    for row in sorted(row[0] for row in frame.selectExpr(f"to_json(struct({kept}))").collect()):
        print(table, row)
'''


def venv() -> Path:
    return Path(os.environ["PERDURE_PLACES"]) / "venv" / "bin"


@contextmanager
def running(command: list[Any], port: int, log: Path, **more: str) -> Iterator[None]:
    """A server in a process group of its own, once its port answers; its whole group is ended."""
    with log.open("a") as out:
        process = subprocess.Popen(command, env=os.environ | more, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                   start_new_session=True)  # fmt: skip
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


class Places:
    """An S3 server with a bucket, a PostgreSQL server, and what a job needs to reach them."""

    def __init__(self, folder: Path, s3: int, database: int) -> None:
        self.folder, self.s3, self.database, self.mlflow = folder, s3, database, free_port()
        self.keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        self.endpoint = f"http://127.0.0.1:{s3}"
        make = f"import boto3; boto3.client('s3', endpoint_url={self.endpoint!r}).create_bucket(Bucket='lake')"
        subprocess.run([venv() / "python", "-c", make], env=os.environ | self.keys, check=True, timeout=300)
        (folder / "s3.conf").write_text(
            f"spark.hadoop.fs.s3a.endpoint {self.endpoint}\n"
            "spark.hadoop.fs.s3a.path.style.access true\n"
            "spark.hadoop.fs.s3a.connection.ssl.enabled false\n"
            "spark.hadoop.fs.s3a.endpoint.region us-east-1\n"
            "spark.hadoop.fs.s3a.change.detection.mode warn\n"
        )

    def server(self) -> Any:
        command = [venv() / "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.mlflow), "--workers", "1",
                   "--backend-store-uri", f"postgresql+psycopg2://postgres@127.0.0.1:{self.database}/postgres",
                   "--artifacts-destination", "s3://lake/mlflow", "--serve-artifacts"]  # fmt: skip
        return running(command, self.mlflow, self.folder / "mlflow.log", **self.keys,
                       MLFLOW_S3_ENDPOINT_URL=self.endpoint, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
                       MLFLOW_DISABLE_TELEMETRY="true")  # fmt: skip

    def submit(self, *words: str) -> subprocess.CompletedProcess[str]:
        jars = ",".join(map(str, sorted((Path(os.environ["PERDURE_PLACES"]) / "s3jars").glob("*.jar"))))
        command = [str(ROOT / "spark-submit.sh"), "--properties-file", str(self.folder / "s3.conf"), "--jars", jars]
        given = {name: value for name, value in os.environ.items() if name not in ("SPARK_HOME", "PYTHONPATH")}
        return subprocess.run([*command, *words], env=given | JAVA | self.keys, capture_output=True, text=True,
                              timeout=1800, check=False)  # fmt: skip


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    s3 = free_port()
    command = [venv() / "moto_server", "-H", "127.0.0.1", "-p", str(s3)]
    with postgres(tmp_path / "postgres") as database, running(command, s3, tmp_path / "moto.log"):
        yield Places(tmp_path, s3, database)


def test_tables_on_s3_and_models_on_a_server(places: Places, lived: Path, fresh: Callable[[], Path]) -> None:
    file = fresh()
    where = f'{{storage: "s3a://lake/buoy", tracking: "http://127.0.0.1:{places.mlflow}", default: true}}'
    text = file.read_text()
    start = text.index("local: {")
    file.write_text(f"{text[:start]}local: {where}{text[text.index('}', start) + 1 :]}")
    project = file.parents[1]

    # No server: data are made ready all the same, the first training says what is wrong, and nothing is half-done.
    early = places.submit(str(ROOT / "jobs" / "run.py"), str(file))
    assert early.returncode == 1
    assert f"tracking server must answer, but http://127.0.0.1:{places.mlflow} doesn't" in early.stderr, early.stderr
    assert "the same command resumes" in early.stderr
    with places.server():
        done = places.submit(str(ROOT / "jobs" / "run.py"), str(file))
        assert done.returncode == 0, done.stdout + done.stderr
        again = places.submit(str(ROOT / "jobs" / "run.py"), str(file))
        assert "nothing to do" in again.stderr
    assert not (project / ".data" / "buoy").exists()
    dump = project / "dump.py"
    dump.write_text(DUMP)
    found = places.submit(str(dump), "s3a://lake/buoy", ",".join(CHANCE), *TABLES)
    assert found.returncode == 0, found.stderr
    local = places.submit(str(dump), str(lived.parents[1] / ".data" / "buoy"), ",".join(CHANCE), *TABLES)
    assert found.stdout == local.stdout
    assert found.stdout.count("\n") > 100
    shutil.rmtree(project)
