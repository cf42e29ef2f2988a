"""The DAG of a pipeline file, in a real Airflow. Run by hand, in an environment with Airflow 3 and sqlglot:
PERDURE_AIRFLOW=/path/to/environment tests/run.sh tests/airflow -m airflow
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..run.conftest import small_project
from .conftest import ROOT, Airflow

pytestmark = pytest.mark.airflow
DATA = ["data.ingest", "data.validate", "data.featurize"]
SERVING = ["serving.score", "serving.monitor"]
RETRAINING = ["retraining.decide", "retraining.train", "retraining.evaluate", "retraining.deploy"]
SHAPE = """
import json, sys
from perdure.airflow import pipeline_dag
dag = pipeline_dag({file!r}, {target!r})
tasks = [[task.task_id, sorted(task.upstream_task_ids), [asset.uri for asset in task.outlets]]
         for task in dag.topological_sort()]
from airflow.serialization.serialized_objects import DagSerialization
again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
print(json.dumps({{"id": dag.dag_id, "tasks": tasks, "start": str(dag.start_date), "end": str(dag.end_date),
    "cron": again.timetable.summary, "again": sorted(again.task_dict),
    "heavy": [name for name in sys.modules if name.split(".")[0] in ("pyspark", "mlflow", "delta")]}}))
"""


def shape(airflow: Airflow, file: str, target: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(airflow.python(SHAPE.format(file=file, target=target)).splitlines()[-1])
    return found


def test_the_shape(airflow: Airflow) -> None:
    found = shape(airflow, "pipelines/flights.yml")
    names = [name for name, _, _ in found["tasks"]]
    assert names == [*DATA, *SERVING, *RETRAINING]
    assert [above for _, above, _ in found["tasks"]] == [[], *([name] for name in names[:-1])]
    assert (found["id"], found["cron"]) == ("perdure_flights", "0 0 2 * *")
    assert (found["start"][:10], found["end"][:10]) == ("2013-01-02", "2013-12-02")
    assert found["again"] == sorted(names)
    assert found["heavy"] == []
    written = {asset for _, _, assets in found["tasks"] for asset in assets}
    assert f"file://{ROOT}/.data/flights/predictions" in written
    elsewhere = shape(airflow, "pipelines/flights.yml", "databricks")
    assert ["x-table://main/flights/predictions"] in [assets for _, _, assets in elsewhere["tasks"]]
    assert ["s3a://lake/flights/predictions"] in [
        assets for _, _, assets in shape(airflow, "pipelines/flights.yml", "cluster")["tasks"]
    ]


def test_a_wrong_file_shows_where_airflow_looks(airflow: Airflow, tmp_path: Path) -> None:
    file = small_project(tmp_path / "project")
    file.write_text(file.read_text().replace("interval: 1 day", "intervall: 1 day"))
    code = f"from perdure.airflow import pipeline_dag\ntry: pipeline_dag({str(file)!r})\nexcept Exception as e: "
    code += "print(e)"
    assert "did you mean 'interval'" in airflow.python(code)


def test_four_days_through_the_scheduler(running: Airflow, tmp_path: Path) -> None:
    """Caught up by the scheduler: one job is killed and retried; without a champion nothing is scored; drift makes a
    training due. A backfill then finds everything done, and changes no table."""
    file = small_project(tmp_path / "project")
    text = file.read_text().replace("minimum: 2 days", "minimum: 3 days")
    text = text.replace("{age: 1 day}", "{drift: population_stability_index, above: 0.01}")
    file.write_text(text.replace("cooldown: 1", "cooldown: 0"))
    running.dag("buoy", f"""
from datetime import timedelta
from perdure.airflow import pipeline_dag
dag = pipeline_dag({str(file)!r}, default_args={{"retry_delay": timedelta(seconds=2)}}, is_paused_upon_creation=False)
""")  # fmt: skip
    running.start()
    running.wait(lambda: killed(f"jobs/validate.py {file} --interval 2016-06-17"), 1800)
    runs = running.wait(lambda: ended(running, 4), 4800)
    assert list(runs.values()) == ["success"] * 4
    days = [running.tasks("perdure_buoy", run) for run in runs]
    assert [day["data.validate"]["try_number"] for day in days] == [1, 2, 1, 1]
    states = [{name: task["state"] for name, task in day.items()} for day in days]
    for day in states[:2]:
        assert {day[name] for name in (*DATA, "retraining.decide")} == {"success"}
        assert {day[name] for name in (*SERVING, *RETRAINING[1:])} == {"skipped"}
    assert {states[2][name] for name in (*DATA, *RETRAINING)} == {"success"}
    assert {states[2][name] for name in SERVING} == {"skipped"}
    assert {states[3][name] for name in (*DATA, *SERVING, *RETRAINING)} == {"success"}
    assert "population stability index" in running.result("perdure_buoy", list(runs)[3], "retraining.decide")["reason"]

    commits = versions(file)
    assert "predictions" in commits and "alias_history" in commits
    last = days[3]["data.ingest"]["logical_date"]
    running.command("backfill", "create", "--dag-id", "perdure_buoy", "--from-date", last, "--to-date", last,
                    "--reprocess-behavior", "completed", "--max-active-runs", "1")  # fmt: skip
    again = running.wait(lambda: ended(running, 4), 2400)
    assert list(again.values()) == ["success"] * 4
    assert running.get(f"dags/perdure_buoy/dagRuns/{list(runs)[3]}".replace("+", "%2B"))["run_type"] == "backfill"
    assert running.tasks("perdure_buoy", list(runs)[3])["serving.score"]["try_number"] == 2
    assert versions(file) == commits
    if folder := os.environ.get("PERDURE_PICTURES"):
        times = [{name: task["duration"] for name, task in day.items()} for day in days]
        Path(folder, "durations.json").write_text(json.dumps(times, indent=1))
        command = [running.venv / "bin" / "python", Path(__file__).with_name("pictures.py")]
        subprocess.run([*command, running.base, "perdure_buoy", folder], check=True, timeout=600)


def killed(command: str) -> bool:
    """Kills the process group of a job that is running; whether there was one."""
    found = subprocess.run(["pgrep", "-f", command], capture_output=True, text=True, check=False).stdout.split()
    for process in found:
        os.killpg(os.getpgid(int(process)), signal.SIGKILL)
        return True
    return False


def ended(airflow: Airflow, count: int) -> dict[str, str] | None:
    """The states of the DAG's runs once there are so many and none is at work."""
    runs = airflow.runs("perdure_buoy")
    return runs if len(runs) == count and not {"running", "queued"} & set(runs.values()) else None


def versions(file: Path) -> dict[str, int]:
    """How many commits each of the pipeline's tables has, but for the ledger's."""
    logs = (file.parents[1] / ".data" / "buoy" / "tables").glob("*/_delta_log")
    return {log.parent.name: len(list(log.glob("*.json"))) for log in logs if log.parent.name != "runs"}
