"""The whole life with its executors in other processes: the same rows and predictions as on one machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT
from .contents import rows

pytestmark = [pytest.mark.long, pytest.mark.cluster]
# Small data: what each task costs is what counts.
SMALL = ("--conf", "spark.databricks.delta.snapshotPartitions=2", "--conf", "spark.sql.shuffle.partitions=2")
TABLES = ("features", "labels", "predictions", "decisions", "alias_history")


def live(master: str, file: Path, *options: str) -> None:
    command = [str(ROOT / "spark-submit.sh"), "--master", master, *SMALL, *options, "jobs/run.py", str(file)]
    env = {name: value for name, value in os.environ.items() if name not in ("SPARK_HOME", "PYTHONPATH")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def same(spark: Any, expected: Path, found: Path) -> None:
    """Equal but for the last bits of numbers: executors and driver may add up with different instructions."""
    for table in TABLES:
        assert rounded(rows(spark, found, table)) == rounded(rows(spark, expected, table)), f"table {table} differs"


def rounded(texts: list[str]) -> list[Any]:
    return [json.loads(text, parse_float=lambda number: f"{float(number):.12g}") for text in texts]


def test_local_cluster(spark: Any, lived: Path, fresh: Callable[[], Path]) -> None:
    file = fresh()
    live("local-cluster[2,1,1024]", file)
    same(spark, lived.parents[1], file.parents[1])


def test_standalone_master_with_two_workers(
    spark: Any, lived: Path, fresh: Callable[[], Path], standalone: str
) -> None:
    file = fresh()
    live(standalone, file, "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.executor.memory=1g")
    same(spark, lived.parents[1], file.parents[1])
