"""A pipeline's jobs as resources of a Databricks bundle (Declarative Automation Bundle), from its file.

Two jobs: the life of one interval on the pipeline's schedule, a task a step, and a catch-up of all that is due between
two intervals, which waits for someone to start it. Tasks are the project's own job files with the command line's own
options; the bundle's target names the pipeline file's target.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from perdure.core import schedule
from perdure.core.config import Pipeline

STEPS = ("ingest", "validate", "featurize", "score", "monitor", "retrain", "train", "evaluate", "deploy")
_OPTIONS = {"retrain": ["--decide-only"], **{name: ["--if-due"] for name in ("train", "evaluate", "deploy")}}
_ENVIRONMENT = "perdure"


def resources(pipeline: Pipeline, file: str) -> dict[str, Any]:
    """The bundle's `resources` for the pipeline in `file` (relative to the bundle's root), ready for YAML. Paths count
    from the folder `databricks/`, where the file belongs."""
    name = pipeline.pipeline
    return {"resources": {"jobs": {name: _life(pipeline, file), f"{name}_catch_up": _catch_up(pipeline, file)}}}


def _life(pipeline: Pipeline, file: str) -> dict[str, Any]:
    last = [name for name, wanted in (("publish", pipeline.publish), ("alert", pipeline.alerts)) if wanted]
    steps = [*STEPS, *last]
    which = ["--interval", "{{job.parameters.interval}}"]
    tasks = [_task(step, file, [*which, *_OPTIONS.get(step, [])]) for step in steps]
    for before, task in pairwise(tasks):
        task["depends_on"] = [{"task_key": before["task_key"]}]
    for name in ("deploy", *last):  # they put the gate's refusal on record, and tell of it
        _of(tasks, name)["run_if"] = "ALL_DONE"
    return {
        "name": f"perdure {pipeline.pipeline}",
        "description": f"{pipeline.description} An interval of {pipeline.interval}, a task a step.".strip(),
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "schedule": {
            "quartz_cron_expression": schedule.calendar(pipeline).quartz,
            "timezone_id": "UTC",
        },
        "parameters": [{"name": "interval", "default": ""}],
        **_common(),
        "tasks": tasks,
    }


def _catch_up(pipeline: Pipeline, file: str) -> dict[str, Any]:
    bounds = ["--from", "{{job.parameters.from}}", "--until", "{{job.parameters.until}}"]
    return {
        "name": f"perdure {pipeline.pipeline} catch-up",
        "description": "Everything that is due between two intervals (left empty: ever), each once: after a pause, a "
        "mended source, or for the past.",
        "max_concurrent_runs": 1,
        "parameters": [{"name": "from", "default": ""}, {"name": "until", "default": ""}],
        **_common(),
        "tasks": [_task("run", file, bounds)],
    }


def _task(job: str, file: str, options: list[str]) -> dict[str, Any]:
    """One job file; 1 is broken and worth another try, which resumes. Refusals would say the same again, quickly."""
    parameters = [file, "--target", "${bundle.target}", *options]
    return {
        "task_key": job,
        "spark_python_task": {"python_file": f"../jobs/{job}.py", "parameters": parameters},
        "job_cluster_key": _ENVIRONMENT,
        "libraries": [{"whl": "../dist/*.whl"}],
        "max_retries": 1,
        "min_retry_interval_millis": 60_000,
    }


def _common() -> dict[str, Any]:
    cluster = {
        "spark_version": "${var.spark_version}",
        "node_type_id": "${var.node_type}",
        "num_workers": "${var.workers}",
        "data_security_mode": "SINGLE_USER",
        # Where MLflow hands a Spark model's files from executors to the driver: a volume, as Unity Catalog wants it.
        "spark_env_vars": {"MLFLOW_DFS_TMP": "${var.scratch}", "GX_ANALYTICS_ENABLED": "false"},
        "spark_conf": {"spark.sql.session.timeZone": "UTC"},
    }
    return {"job_clusters": [{"job_cluster_key": _ENVIRONMENT, "new_cluster": cluster}]}


def _of(tasks: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next(task for task in tasks if task["task_key"] == key)
