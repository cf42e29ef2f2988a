"""Real jobs through spark-submit.sh: on this machine, on a cluster in one process, on a standalone cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import HOME, Launcher

pytestmark = pytest.mark.cluster

# Says from inside the executors which library, which settings file and which Python they run with.
WHERE = """
import pyarrow as pa
from pyspark.sql import functions as F
from perdure.io import session

def where(batches):
    import importlib, os, sys
    from perdure.io import session
    for batch in batches:
        found = importlib.import_module("perdure").__file__, len(session.read_conf("common")), sys.executable
        yield pa.RecordBatch.from_pydict({"at": ["|".join(map(str, found))] , "pid": [os.getppid()]})

spark = session.get("where")
path = OUT
spark.range(4).repartition(4).write.format("delta").save(path)
rows = spark.read.format("delta").load(path)
found = rows.repartition(4).mapInArrow(where, "at STRING, pid LONG")
for row in found.select("at").distinct().collect():
    print("EXECUTOR", row["at"])
print("TABLE", rows.count())
spark.stop()
"""


@pytest.fixture
def where(tmp_path: Path) -> Path:
    job = tmp_path / "where job.py"
    job.write_text(WHERE.replace("OUT", repr(str(tmp_path / "a table"))))
    return job


def job(folder: Path, body: str) -> Path:
    path = folder / "job.py"
    path.write_text(body)
    return path


def test_exit_codes_pass_through_without_a_word(tmp_path: Path) -> None:
    body = "import sys; from perdure.io import session; print(session.get('x').range(7).count()); sys.exit(10)"
    done = Launcher(HOME)(job(tmp_path, body))
    assert (done.code, done.out, done.err) == (10, "7\n", "")


def test_a_failing_query_shows_python_alone(tmp_path: Path) -> None:
    body = "from perdure.io import session; session.get('x').sql('SELECT nothing FROM nowhere')"
    done = Launcher(HOME)(job(tmp_path, body))
    assert done.code == 1
    assert "TABLE_OR_VIEW_NOT_FOUND" in done.err
    assert "\tat " not in done.err


# Enough for four rows.
SMALL = ("--conf", "spark.databricks.delta.snapshotPartitions=2", "--conf", "spark.sql.shuffle.partitions=2")


def check_executors(out: str) -> None:
    executors = re.findall(r"EXECUTOR (.*)", out)
    assert executors, out
    for line in executors:
        library, settings, python = line.split("|")
        assert "perdure.zip" in library
        assert int(settings) > 0
        assert Path(python) == HOME / "venv/bin/python"
    assert "TABLE 4" in out


def test_local_cluster(where: Path) -> None:
    done = Launcher(HOME)("--master", "local-cluster[2,1,1024]", *SMALL, where)
    assert done.code == 0, done.err
    check_executors(done.out)


def test_standalone_master_with_two_workers(standalone: str, where: Path) -> None:
    done = Launcher(HOME)(
        "--master", standalone, "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.executor.memory=1g",
        "--conf", "spark.scheduler.minRegisteredResourcesRatio=1", *SMALL, where,
    )
    assert done.code == 0, done.err
    check_executors(done.out)
