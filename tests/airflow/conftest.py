"""A throw-away Airflow on loopback: api-server, scheduler and dag-processor, on PostgreSQL."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ..postgres import server
from ..standalone import free_port

ROOT = Path(__file__).parents[2]

# Nothing is taken for dead because the machine is busy with other tests: beats may be late by minutes.
PATIENT = {
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": "86400",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "3600",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "600",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "3600",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "200",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__HEALTH_CHECK_THRESHOLD": "600",
}


@dataclass
class Airflow:
    """An Airflow in `home`, of the environment PERDURE_AIRFLOW."""

    home: Path
    database: str = ""
    port: int = field(default_factory=free_port)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.home / "dags").mkdir(parents=True, exist_ok=True)
        self.base = base = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "PATH": f"{self.venv}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "lib"),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__BASE_URL": base,
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "86400",
            **PATIENT,
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        if self.database:
            self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self.database
        for name in ("JAVA_HOME", "SPARK_HOME", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
            self.environment.pop(name, None)

    @property
    def venv(self) -> Path:
        return Path(os.environ["PERDURE_AIRFLOW"])

    def python(self, code: str) -> str:
        done = subprocess.run([self.venv / "bin" / "python", "-c", code], env=self.environment, capture_output=True,
                              text=True, timeout=300, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dag(self, name: str, text: str) -> None:
        (self.home / "dags" / f"{name}.py").write_text(text)

    def command(self, *words: str) -> str:
        done = subprocess.run([self.venv / "bin" / "airflow", *words], env=self.environment, capture_output=True,
                              text=True, timeout=600, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def start(self) -> None:
        self.command("db", "migrate")
        for words in (("api-server", "--host", "127.0.0.1", "--port", str(self.port)),
                      ("scheduler", "--skip-serve-logs"), ("dag-processor",)):  # fmt: skip
            with (self.home / f"{words[0]}.log").open("w") as log:
                self.running.append(subprocess.Popen(
                    [self.venv / "bin" / "airflow", *words], env=self.environment, stdout=log, stderr=log,
                    stdin=subprocess.DEVNULL, start_new_session=True))  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self.running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/auth/token", timeout=60) as answer:
            token = json.load(answer)["access_token"]
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v2/{path}",
                                         headers={"Authorization": f"Bearer {token}"})  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def runs(self, dag: str) -> dict[str, str]:
        """The state of each run of a DAG; none before it is known."""
        try:
            found = self.get(f"dags/{dag}/dagRuns?order_by=logical_date")["dag_runs"]
        except OSError:
            return {}
        return {run["dag_run_id"]: run["state"] for run in found}

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        found = self.get(f"dags/{dag}/dagRuns/{urllib.request.quote(run)}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def result(self, dag: str, run: str, task: str) -> Any:
        """What a task gave back (XCom)."""
        place = f"dags/{dag}/dagRuns/{urllib.request.quote(run)}/taskInstances/{task}/xcomEntries/return_value"
        return self.get(f"{place}?deserialize=true")["value"]

    def wait(self, condition: Any, seconds: float) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            dead = [process.args for process in self.running if process.poll() is not None]
            assert not dead, dead
            time.sleep(3)
        raise TimeoutError(f"not within {seconds:.0f} s; see {self.home}")


@pytest.fixture
def airflow(tmp_path: Path) -> Airflow:
    """Its files and environment; nothing runs."""
    return Airflow(tmp_path / "airflow")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Airflow]:
    """One that a test fills and starts, on a PostgreSQL of its own."""
    with server() as port:
        found = Airflow(tmp_path / "airflow", f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres")
        try:
            yield found
        finally:
            found.stop()
