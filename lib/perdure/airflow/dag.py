"""The DAG of a pipeline file: one task a job, in groups, an interval a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, TaskGroup

from perdure.core import pipeline_file, schedule
from perdure.core.config import Pipeline
from perdure.core.interval import Interval

from .job import Job, Place

ROOT = Path(__file__).parents[3]
_WRITES = {
    "featurize": ("features", "labels"),
    "score": ("predictions",),
    "monitor": ("profiles", "profile_metrics", "drift_metrics", "performance"),
    "retrain": ("decisions",),
    "deploy": ("decisions", "alias_history"),
}


def pipeline_dag(
    file: str | Path, target: str | None = None, *, spark: Sequence[str] = (), submit: str | Path | None = None,
    **given: Any,
) -> DAG:  # fmt: skip
    """The DAG `perdure_<pipeline>`. `file` counts from the folder that holds `spark-submit.sh`; `spark`: options for
    spark-submit (`--master`, ...); `submit`: another spark-submit.sh; `given`: anything that `DAG` takes.

    A run lives the interval that became ready at its data interval's end; a manual one, with or without a logical
    date, the last one ready then, or the one in the parameter `interval`. Missed ones are caught up, one after the
    other: a model's life is a sequence. After an interval whose data were refused, later ones wait until it is mended.
    Raises PipelineFileError as the jobs do."""
    path = ROOT / file
    pipeline = pipeline_file.load(path, target)
    when = schedule.calendar(pipeline)
    retrying = {"retries": 2, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True}
    settings = {
        "dag_id": f"perdure_{pipeline.pipeline}",
        "description": pipeline.description,
        "schedule": CronDataIntervalTimetable(when.cron, timezone="UTC"),
        **_bounds(pipeline),
        "catchup": True,
        "max_active_runs": 1,
        "tags": ["perdure", pipeline.pipeline, pipeline.target],
        "params": {"interval": Param(None, type=["null", "string"], description="an interval's label: 2013-01")},
        "doc_md": f"`{file}`, target `{pipeline.target}`. What ran: `jobs/history.py`; is it good: `jobs/report.py`.",
        **given,
        "default_args": {**retrying, **given.get("default_args", {})},
    }
    with DAG(**settings) as dag:
        place = Place(str(path), pipeline.target, str(submit or ROOT / "spark-submit.sh"), tuple(spark))
        _tasks(pipeline, partial(Job, place=place))
    return dag


def table_asset(pipeline: Pipeline | str | Path, table: str, target: str | None = None) -> Asset:
    """The asset of a pipeline's Delta table, which its tasks renew: `schedule=[table_asset(file, "predictions")]` lets
    another DAG follow."""
    if not isinstance(pipeline, Pipeline):
        pipeline = pipeline_file.load(ROOT / pipeline, target)
    place = pipeline.place
    if place.catalog:
        uri = f"x-table://{place.catalog}/{place.schema_name}/{table}"
    else:
        location = pipeline.location(f"{place.storage}/{table}")
        uri = location if "://" in location else f"file://{location}"
    return Asset(name=f"{pipeline.pipeline}.{pipeline.target}.{table}", uri=uri, group=pipeline.pipeline)


def _bounds(pipeline: Pipeline) -> dict[str, datetime]:
    """Where the data intervals of the runs begin and end, so that the first run lives the first interval."""
    width = pipeline.interval
    first = Interval.containing(pipeline.start, width)
    bounds = {"start_date": width.before(schedule.ready_at(pipeline, first))}
    if pipeline.end is not None:
        last = Interval.containing(pipeline.end, width).previous
        bounds["end_date"] = width.before(schedule.ready_at(pipeline, last))
    return bounds


def _tasks(pipeline: Pipeline, make: Any) -> None:
    def job(name: str, task: str = "", **more: Any) -> Job:
        outlets = [table_asset(pipeline, table) for table in _written(pipeline, name)]
        made: Job = make(task_id=task or name, job=name, outlets=outlets, **more)
        return made

    with TaskGroup("data"):
        data = [job(name, depends_on_past=True) for name in ("ingest", "validate", "featurize")]
    with TaskGroup("serving"):
        serving = [job("score"), job("monitor", trigger_rule="none_failed")]
    with TaskGroup("retraining"):
        decide = job("retrain", "decide", options=("--exit-code",), trigger_rule="none_failed")
        after = [job("train", after="retraining.decide"), job("evaluate", tolerate=True), job("deploy")]
    chain = [*data, *serving, decide, *after]
    for before, following in pairwise(chain):
        before >> following
    if pipeline.publish is not None:
        after[-1] >> job("publish", trigger_rule="none_failed")
    if pipeline.alerts is not None:
        # A teardown tells of refusals and failures, too, and leaves it to the others how the run ended.
        after[-1] >> job("alert").as_teardown()


def _written(pipeline: Pipeline, job: str) -> Iterator[str]:
    if job == "ingest":
        yield from (f"raw_{name}" for name in pipeline.sources)
    elif job == "validate":
        yield from (table for name in pipeline.sources for table in (name, f"{name}_quarantine"))
    yield from _WRITES.get(job, ())
