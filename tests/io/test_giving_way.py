"""What a write does that meets another one, and what is said of a tracking server that is down."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from perdure.core.config import Target
from perdure.core.errors import PerdureError
from perdure.io import tables as module
from perdure.io import tracking as registry
from perdure.io._store import alone, is_at_work, process
from perdure.io.tables import Tables
from perdure.io.tracking import Tracking

from ..standalone import free_port


def some_tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    nobody: Any = None
    return Tables(nobody, Target(storage="lake", tracking="x"), "/tmp")


@pytest.mark.parametrize("text", [
    "[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT] Transaction conflict detected.",
    "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata of the Delta table has been changed",
    "io.delta.exceptions.ConcurrentTransactionException: [DELTA_CONCURRENT_TRANSACTION]",
])  # fmt: skip
def test_a_conflict_is_tried_again(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables, left = some_tables(monkeypatch), [text, text]

    def write() -> None:
        if left:
            raise RuntimeError(left.pop())

    tables._again(write)
    assert tables.conflicts == 2 and not left


def test_other_errors_and_endless_conflicts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    tables, tries = some_tables(monkeypatch), []

    def write(text: str) -> None:
        tries.append(text)
        raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="No space left"):
        tables._again(lambda: write("No space left on device"))
    assert len(tries) == 1
    with pytest.raises(RuntimeError, match="CONCURRENT"):
        tables._again(lambda: write("[DELTA_CONCURRENT_WRITE]"))
    assert len(tries) == 6


def test_a_server_that_is_down_is_said_at_once(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    tracking = Tracking(uri, "sea", root=tmp_path, artifacts="s3a://lake/sea/models")
    began = time.monotonic()
    with pytest.raises(PerdureError, match=rf"must answer, but {uri} doesn't \(.*refused.*the same command resumes"):
        tracking.find("run")
    assert time.monotonic() - began < 5
    assert tracking._artifacts == "s3://lake/sea/models"
    with pytest.raises(PerdureError, match="must answer"):  # it is asked: this is no path on this machine
        tracking.read("mlflow-artifacts:/1/abc/artifacts/model", "perdure/serving.json")


def test_who_is_at_work() -> None:
    now = int(time.time() * 1000)
    host = process().partition(":")[0]
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert is_at_work(f"{host}:{child.pid}", now)
    child.kill()
    child.wait()
    assert not is_at_work(f"{host}:{child.pid}", now)
    assert not is_at_work(f"{host}:{os.getpid()}", now)  # this process itself has begun anew
    assert not is_at_work("", now)
    assert is_at_work("elsewhere:7", now)
    assert not is_at_work("elsewhere:7", now - 2 * 86_400_000)


def test_one_at_a_time_on_one_database(tmp_path: Path) -> None:
    uri, order = f"sqlite:///{tmp_path}/mlflow.db", []

    def work(name: str) -> None:
        with alone(uri):
            order.append(name)
            time.sleep(0.05)
            order.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one == other for one, other in zip(order[::2], order[1::2], strict=True)] == [True] * 3


def registered_by_two(uri: str, root: Path, tags: dict[str, str]) -> list[tuple[Tracking, str, str]]:
    """Two processes' tracking, each with a tracking run of the same training that it registers at the same time:
    (tracking, its run, the version it was answered with)."""
    both = [Tracking(uri, "sea", root=root, artifacts=str(root / "models")) for _ in range(2)]
    runs = [each._create_run("train", tags) for each in both]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda each, run: each._register_once(run, tags), both, runs))
    return [(each, run, version.version) for each, run, version in zip(both, runs, found, strict=True)]


def test_a_training_has_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one machine's database the later process finds the first one's version; on a server, where nothing makes it
    wait, it takes its own back, and that number stays unused."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (one, *_, first), (_, _, second) = registered_by_two(uri, tmp_path, {"perdure.run_id": "a"})
    assert first == second == "1"
    meet, register = threading.Barrier(2), Tracking._register

    def together(self: Tracking, run: str, tags: dict[str, str]) -> Any:
        meet.wait(60)  # both have looked, and found none
        mine = register(self, run, tags)
        meet.wait(60)
        return mine

    monkeypatch.setattr(registry, "alone", lambda uri: nullcontext())
    monkeypatch.setattr(Tracking, "_register", together)
    found = registered_by_two(uri, tmp_path, {"perdure.run_id": "b"})
    assert [version for _, _, version in found] == ["2", "2"]
    left = one._client.search_model_versions("name = 'sea'")
    assert sorted((version.version, version.tags["perdure.run_id"]) for version in left) == [(1, "a"), (2, "b")]
    states = sorted(one._client.get_run(run).info.lifecycle_stage for _, run, _ in found)
    assert states == ["active", "deleted"]
