"""One job of one interval as an Airflow task: its command line, and what its exit codes and results mean to Airflow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from perdure.core import pipeline_file, schedule
from perdure.core.config import Pipeline
from perdure.core.gate import GateResult
from perdure.core.interval import Interval

MODEL_REFUSED, RETRAIN = 4, 10
_FINAL = (2, 3, MODEL_REFUSED, 5)  # the same command will say the same again
_GRACE = 30  # seconds that a job gets to end after SIGTERM


class Place(NamedTuple):
    """Which pipeline file and target, and which spark-submit.sh with which options of spark-submit starts its jobs."""

    file: str
    target: str
    submit: str
    spark: tuple[str, ...] = ()


class Job(BaseOperator):  # type: ignore[misc]
    """Runs `jobs/<job>.py` through spark-submit; gives (XCom) the interval, the ids of its runs, and for a decision
    whether a training is `due`.

    Done: exit code 0, and 10 of a decision. Skipped: nothing to do (no champion to score with), no interval ready, or
    the decision in the task `after` was to keep. Failed for good: wrong file, data refused, model refused, environment
    mismatch (2 to 5), with what was refused in the log. Anything else fails, and is retried where the DAG says so: a
    job resumes. With `tolerate`, a refused model is a result like any other."""

    def __init__(
        self,
        *,
        job: str,
        place: Place,
        options: Sequence[str] = (),
        after: str | None = None,
        tolerate: bool = False,
        **kwargs: Any,
    ) -> None:
        """`options`: the job's own. The rest is a task's."""
        super().__init__(**kwargs)
        self.job, self.place, self.options, self.after, self.tolerate = job, place, tuple(options), after, tolerate
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the job."""
        if self.after is not None:
            decided = context["ti"].xcom_pull(task_ids=self.after) or {}
            if not decided.get("due"):
                raise AirflowSkipException(f"no training is due: {decided.get('reason', 'the decision was skipped')}")
        interval = self._interval(context)
        code, found = self._run(self.command(interval.label))
        runs = found.get("runs", [])
        for record in runs:
            for line in told(record):
                self.log.info("%s", line)
        self._judge(code, runs, found.get("already_done", 0))
        facts = runs[-1]["facts"] if runs else {}
        return {
            "interval": interval.label,
            "runs": [record["run_id"] for record in runs],
            "due": code == RETRAIN,
            "reason": facts.get("reason", ""),
        }

    def command(self, label: str) -> list[str]:
        """The command line over the interval of this label."""
        file, target, submit, spark = self.place
        job = os.path.join(os.path.dirname(submit), "jobs", f"{self.job}.py")
        return [submit, *spark, job, file, "--interval", label, "--target", target, "--json", *self.options]

    def on_kill(self) -> None:
        """Ends the job's whole process group; its Java process would outlive it."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    def _interval(self, context: Mapping[str, Any]) -> Interval:
        run = context["dag_run"]
        wanted = (context.get("params") or {}).get("interval")
        moment = run.data_interval_end or run.run_after
        found = interval_of(pipeline_file.load(self.place.file, self.place.target), wanted, moment)
        if found is None:
            raise AirflowSkipException("no interval was ready at that time")
        return found

    def _run(self, command: list[str]) -> tuple[int, dict[str, Any]]:
        """The exit code, and the JSON that the job printed; its standard error goes to the log as it comes."""
        self.log.info("%s", " ".join(command))
        root = str(pipeline_file.load(self.place.file, self.place.target).root)
        with TemporaryFile("w+") as result:
            self._process = subprocess.Popen(
                command, cwd=root, env=_environment(), stdin=subprocess.DEVNULL, stdout=result, stderr=subprocess.PIPE,
                text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
            assert self._process.stderr is not None
            for line in self._process.stderr:
                self.log.info("%s", line.rstrip())
            code = self._process.wait()
            result.seek(0)
            text = result.read().strip()
        try:
            return code, json.loads(text) if text else {}
        except ValueError:
            self.log.info("%s", text)
            return code, {}

    def _judge(self, code: int, runs: Sequence[Mapping[str, Any]], known: int) -> None:
        if code in (0, RETRAIN):
            if not runs and not known:
                raise AirflowSkipException("nothing to do")
        elif code == MODEL_REFUSED and self.tolerate:
            self.log.warning("the candidate did not pass its gate; deploy puts the refusal on record")
        elif code in _FINAL:
            raise AirflowFailException(f"{self.job} refused (exit code {code}); see above. Trying again won't mend it.")
        else:
            raise AirflowException(f"{self.job} ended with exit code {code}; the same command resumes")


def interval_of(pipeline: Pipeline, wanted: str | None, moment: datetime) -> Interval | None:
    """The interval of that label, or else the last one that is ready at the moment; None when none is."""
    if wanted:
        return Interval.parse(wanted, pipeline.interval)
    return schedule.latest_ready(pipeline, moment)


def told(record: Mapping[str, Any]) -> Iterator[str]:
    """A run's record in a few lines: what it did, what was decided, and the lines of its gate that did not hold."""
    rows = " ".join(f"{out['table']}={out['rows']}" for out in record["outputs"] if out["rows"] is not None)
    title = " ".join(part for part in (record["step"], record["subject"], record["interval"]) if part)
    yield f"{record['status']}: {title}  {record['seconds']:.1f} s  {rows}  run {record['run_id'][:12]}"
    facts = record["facts"]
    if "decision" in facts:
        yield f"    {facts['decision']}: {facts.get('reason', '')}"
    if record["gate"]:
        yield from (f"    {line}" for line in GateResult.from_dict(record["gate"]).failures)


def _environment() -> dict[str, str]:
    """The task's environment without what is Airflow's own (its settings hold secrets) and its Python's."""
    ours = ("AIRFLOW", "_AIRFLOW", "__AIRFLOW", "PYTHONPATH", "VIRTUAL_ENV", "PYSPARK_", "SPARK_HOME")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
