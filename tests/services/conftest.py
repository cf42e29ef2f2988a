"""Real servers on loopback, and one Spark session with the jars that reach them: Kafka and a schema registry,
PostgreSQL, S3."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..jars import HOME, joined
from ..kafka import Broker
from ..run.conftest import fresh, lived
from ..standalone import free_port

__all__ = ["fresh", "lived"]

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROGRAMS = Path(sys.executable).parent
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def reaching(endpoint: str) -> dict[str, str]:
    """Spark's settings for an S3 server other than Amazon's."""
    return {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.change.detection.mode": "warn",
    }


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


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server with the bucket `lake`; gives its address."""
    import boto3

    port = free_port()
    command = [PROGRAMS / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    endpoint = f"http://127.0.0.1:{port}"
    with running(command, port, tmp_path_factory.mktemp("s3") / "log"), pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="lake")
        yield endpoint


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, s3: str) -> Iterator[SparkSession]:
    """A session that reaches all of them."""
    from perdure.testing.spark import spark_for_tests

    jars = ",".join(joined(name) for name in ("jars-kafka", "jars-s3", "jars-postgres"))
    session = spark_for_tests(tmp_path_factory.mktemp("spark"), {"spark.jars": jars, **reaching(s3)})
    yield session
    session.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker without topics."""
    found = Broker(tmp_path_factory.mktemp("kafka"))
    yield found
    found.stop()
    shutil.rmtree(found.folder / "data", ignore_errors=True)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A schema registry without subjects (Apicurio); gives the address of its Confluent interface."""
    place, port = tmp_path_factory.mktemp("registry"), free_port()
    (packed,) = HOME.glob("jars-registry/*.tar.gz")
    with tarfile.open(packed) as found:
        found.extractall(place, filter="data")
    (program,) = place.glob("*-runner.jar")
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
    settings = ("-Xmx384m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}")
    with running([java, *settings, "-jar", program], port, place / "log"):
        yield f"http://127.0.0.1:{port}/apis/ccompat/v7"
    shutil.rmtree(place, ignore_errors=True)
