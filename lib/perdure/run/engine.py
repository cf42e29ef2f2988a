"""One run of one step: pin, look up, call, write, record. Everything that makes a run idempotent is on this page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from perdure.core.errors import PerdureError
from perdure.core.interval import Interval
from perdure.core.protocols import Read, StepResult, Write
from perdure.core.record import JSON, FileVersion, RunRecord, TableVersion, fingerprint
from perdure.io.ledger import Place, Records, Seen

from .context import Context, code_version, who

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Inputs = Mapping[str, "DataFrame"]
Outputs = tuple[TableVersion, ...]
_SUBJECTS_AT_ONCE = 3


@dataclass(frozen=True)
class Plan:
    """A run to be: which step, over what, depending on what. `config` is all of the pipeline file that the step
    depends on, `identity` anything else that its result depends on (a model's run, a decision's). `call` gets the
    pinned inputs by table name (a table's rows of earlier runs are left out where `latest_only` names it). `finish`
    acts on the outside (registers a model) before the writes, and gives facts to add; `confirm`, after the writes, gets
    what was written, raises where what was read is no longer what it was, and gives facts and outputs to add. Of the
    ledger the run sees what was known at `as_of` (default: the interval's end)."""

    step: str
    interval: Interval
    config: JSON
    call: Callable[[Inputs, str], StepResult]
    subject: str = ""
    reads: tuple[Read, ...] = ()
    files: tuple[FileVersion, ...] = ()
    identity: JSON = None
    latest_only: tuple[str, ...] = ()
    static: bool = False
    finish: Callable[[StepResult, str], tuple[Mapping[str, JSON], tuple[Write, ...]]] | None = None
    confirm: Callable[[Outputs], tuple[Mapping[str, JSON], Outputs]] | None = None
    as_of: datetime | None = None

    @property
    def place(self) -> Place:
        """Which runs it takes the place of."""
        known_at = self.as_of.isoformat() if self.as_of and self.as_of != self.interval.end else ""
        return self.step, self.subject, "static" if self.static else self.interval.label, known_at

    def producers(self, ledger: Records) -> dict[str, list[RunRecord]]:
        """By table that it reads: the runs that wrote what it will see there."""
        if not self.reads:
            return {}
        seen = Seen(ledger, self.as_of or self.interval.end)
        return {wish.table: seen.producers(wish) for wish in self.reads}


@dataclass
class Outcome:
    """A run's record, and whether it was already there."""

    record: RunRecord
    known: bool
    value: object = field(default=None, repr=False)


def execute(context: Context, plan: Plan, *, rerun: bool = False) -> Outcome:
    """Runs a plan, or answers with its record when the ledger holds it and no other run has taken its place since.
    Otherwise, or with `rerun`, it is done again under a run id of its own, which names the first. A failure is recorded
    too; then the error goes on to the caller."""
    producers = plan.producers(context.ledger)
    if not context.dry_run:
        _require_inputs(plan, producers, context)
    run_id = _run_id(context, plan, producers)
    known = context.ledger.standing(run_id, plan.place)
    if known is not None and not rerun:
        return Outcome(known, known=True)
    first = run_id if context.ledger.get(run_id) is not None else None
    while first is not None and context.ledger.get(run_id) is not None:
        run_id = fingerprint([run_id, "again"])
    if context.dry_run:
        return Outcome(_record(context, plan, run_id, "would run", producers), known=False)
    context.progress.working(f"{plan.step} {plan.subject} {plan.interval}")
    began, started_at = time.monotonic(), _now()
    try:
        result, outputs, extra = _work(context, plan, run_id, producers)
    except Exception as error:
        facts = {"error": f"{type(error).__name__}: {error}"[:2000]}
        failed = _record(context, plan, run_id, "failed", producers)
        failed = replace(failed, started_at=started_at, seconds=round(time.monotonic() - began, 3), facts=facts)
        context.progress.ended(context.ledger.append(failed))
        raise
    record = replace(
        _record(context, plan, run_id, "done", producers),
        started_at=started_at,
        outputs=outputs,
        facts={**result.facts, **extra},
        gate=result.gate,
        rerun_of=first,
        status="refused" if result.gate is not None and not result.gate.passed else "done",
        seconds=round(time.monotonic() - began, 3),
    )
    return Outcome(context.ledger.append(record), known=False, value=result.value)


def execute_all(context: Context, plans: Sequence[Plan], *, rerun: bool = False) -> list[Outcome]:
    """Runs independent plans (the sources of one interval) side by side, results in the plans' order. All of them
    end before the first error goes on to the caller."""
    with ThreadPoolExecutor(min(_SUBJECTS_AT_ONCE, max(len(plans), 1))) as pool:
        futures = [pool.submit(execute, context, plan, rerun=rerun) for plan in plans]
    return [future.result() for future in futures]


def _work(
    context: Context, plan: Plan, run_id: str, producers: Mapping[str, list[RunRecord]]
) -> tuple[StepResult, tuple[TableVersion, ...], Mapping[str, JSON]]:
    inputs = {
        wish.table: _open(context, plan, wish, producers[wish.table]) for wish in plan.reads if producers[wish.table]
    }
    result = plan.call(inputs, run_id)
    extra, more = plan.finish(result, run_id) if plan.finish else ({}, ())
    outputs = _written(context, plan, (*result.writes, *more), run_id)
    facts, elsewhere = plan.confirm(outputs) if plan.confirm is not None else ({}, ())
    for output in outputs:
        if output.rows not in (None, result.committed.get(output.table, output.rows)):
            raise PerdureError(
                f"{plan.step} {plan.subject} {plan.interval} counted {result.committed[output.table]} rows for "
                f"{output.table}, but version {output.version} committed {output.rows}: rows were lost or doubled on "
                "the way, so nothing will read this run's; please report it with both numbers"
            )
    return result, outputs + elsewhere, {**extra, **facts}


def _written(context: Context, plan: Plan, writes: Sequence[Write], run_id: str) -> Outputs:
    """What was written, in the writes' order. They go to different tables and mostly wait for commits, so they go side
    by side; all of them end before the first error goes on to the caller."""
    if len(writes) < 2:
        return tuple(_write(context, plan, write, run_id) for write in writes)
    with ThreadPoolExecutor(len(writes)) as pool:
        futures = [pool.submit(_write, context, plan, write, run_id) for write in writes]
    return tuple(future.result() for future in futures)


def _write(context: Context, plan: Plan, write: Write, run_id: str) -> TableVersion:
    commit = context.tables.write(write, plan.interval, run_id, static=plan.static)
    since, until = (None, None) if plan.static else (plan.interval.start.isoformat(), plan.interval.end.isoformat())
    return TableVersion(write.table, commit.version, commit.rows, since, until)


def _open(context: Context, plan: Plan, wish: Read, producers: list[RunRecord]) -> DataFrame:
    from pyspark.sql import functions as F

    rows = context.tables.read(wish, pinned_version(wish.table, producers))
    if wish.table in plan.latest_only:
        rows = rows.where(F.col("_run_id").isin(sorted({producer.run_id for producer in producers})))
    return rows


def pinned_version(table: str, producers: Sequence[RunRecord]) -> int:
    """The version that holds what all of these runs wrote to the table."""
    return max(output.version for record in producers for output in record.outputs if output.table == table)


def _require_inputs(plan: Plan, producers: Mapping[str, list[RunRecord]], context: Context) -> None:
    missing = [wish.table for wish in plan.reads if not wish.optional and not producers[wish.table]]
    if missing:
        tables = ", ".join(missing)
        raise PerdureError(
            f"{plan.step} of {plan.interval} needs {tables}, which no completed run has written for that time; "
            f"run the steps before it first: {command(context, 'run', plan.interval)}"
        )


def command(context: Context, job: str, interval: Interval | None) -> str:
    """The command line that runs a job as this session was started."""
    words = ["./spark-submit.sh", f"jobs/{job}.py", context.file]
    words += ["--interval", interval.label] if interval else []
    default = [name for name, target in context.pipeline.targets.items() if target.default]
    words += ["--target", context.pipeline.target] if context.pipeline.target not in default[:1] else []
    return " ".join(words)


def _run_id(context: Context, plan: Plan, producers: Mapping[str, list[RunRecord]]) -> str:
    """The inputs count by the runs that made them, not by their Delta versions; files by their place in the project.
    So the same data, configuration and code give the same id wherever they are."""
    root = context.pipeline.root
    return fingerprint(
        {
            "pipeline": context.pipeline.pipeline,
            "step": plan.step,
            "subject": plan.subject,
            "interval": "static" if plan.static else [plan.interval.start, plan.interval.end],
            "config": plan.config,
            "identity": plan.identity,
            "inputs": {table: [record.run_id for record in records] for table, records in producers.items()},
            "files": [[file.path.removeprefix(f"{root}/"), file.size, file.modified] for file in plan.files],
            "code": code_version(),
        }
    )


def _record(
    context: Context, plan: Plan, run_id: str, status: str, producers: Mapping[str, list[RunRecord]]
) -> RunRecord:
    wishes = {wish.table: wish for wish in plan.reads}
    inputs = tuple(
        TableVersion(table, pinned_version(table, records), None, _iso(wishes[table].since), _iso(wishes[table].until))
        for table, records in producers.items()
        if records
    )
    step, subject, interval, known_at = plan.place
    return RunRecord(
        run_id=run_id,
        pipeline=context.pipeline.pipeline,
        step=step,
        subject=subject,
        interval=interval,
        interval_start="" if plan.static else plan.interval.start.isoformat(),
        interval_end="" if plan.static else plan.interval.end.isoformat(),
        status=status,
        code_version=code_version(),
        config=plan.config,
        seed=context.pipeline.model.seed,
        started_at=_now(),
        seconds=0.0,
        who=who(),
        target=context.pipeline.target,
        inputs=inputs,
        files=plan.files,
        environment=context.environment,
        known_at=known_at,
    )


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
