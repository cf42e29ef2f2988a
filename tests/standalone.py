"""A real standalone cluster on this machine, as a fixture."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOME = Path(os.environ.get("PERDURE_HOME", Path(__file__).parents[1] / ".perdure"))


class Master(str):
    """A master's address, with its workers: they can be killed, and others started."""

    workers: list[subprocess.Popen[bytes]]
    start_worker: Callable[[], None]

    def kill_a_worker(self) -> None:
        """Kills the oldest worker and its executors at once, and starts another one."""
        victim = self.workers.pop(0)
        found = subprocess.run(["pgrep", "-P", str(victim.pid)], capture_output=True, text=True, check=False)
        for process in (victim.pid, *map(int, found.stdout.split())):
            os.kill(process, signal.SIGKILL)
        victim.wait(30)
        self.start_worker()


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Master]:
    """A standalone master with two workers on this machine; gives its address."""
    spark_home = next(HOME.glob("venv/lib/python3*/site-packages/pyspark"))
    java = (HOME / "java").read_text().splitlines()[0]
    env = os.environ | {"SPARK_HOME": str(spark_home), "JAVA_HOME": java, "SPARK_WORKER_DIR": str(tmp_path / "work")}
    env.pop("PYTHONPATH", None)
    log = (tmp_path / "cluster.log").open("w")

    def start(role: str, *args: str) -> subprocess.Popen[bytes]:
        command = [str(spark_home / "bin/spark-class"), f"org.apache.spark.deploy.{role}", "--host", "127.0.0.1", *args]
        return subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    port = free_port()
    url = Master(f"spark://127.0.0.1:{port}")
    master, url.workers = start("master.Master", "--port", str(port), "--webui-port", "0"), []

    def start_worker() -> None:
        url.workers.append(start("worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0", url))

    url.start_worker = start_worker
    try:
        wait_for(port)
        start_worker()
        start_worker()
        yield url
    finally:
        for process in (*url.workers, master):
            process.terminate()
        for process in (*url.workers, master):
            process.wait(30)
        log.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(port: int, seconds: int = 120) -> None:
    for _ in range(5 * seconds):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nothing answers on port {port} within {seconds} s")
