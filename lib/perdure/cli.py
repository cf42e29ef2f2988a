"""The command lines of the jobs. Each job is one command here; `jobs/<name>.py` only calls it.

Exit codes: 0 done (also: nothing to do), 1 broken, 2 wrong usage or pipeline file, 3 data gate refused, 4 model gate
refused, 5 environment mismatch, 10 retrain advised (only with --exit-code).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from perdure.core.errors import ModelGateRefused, PerdureError
from perdure.core.interval import Interval
from perdure.core.record import RunRecord

if TYPE_CHECKING:
    from perdure.run.context import Context
    from perdure.run.flow import Session

F = TypeVar("F", bound=Callable[..., Any])
EXIT_CODES = (
    "\b\nExit codes: 0 done or nothing to do, 1 broken, 2 wrong usage or pipeline file,\n"
    "3 data gate refused, 4 model gate refused, 5 environment mismatch."
)
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _Command(click.Command):
    """Returns where click would exit with 0: Databricks takes any SystemExit of a Python task for a failure."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except SystemExit as end:
            if end.code:
                raise


def command(example: str) -> Callable[[F], click.Command]:
    """A click command whose help ends with an example and the exit codes, and whose errors end as exit codes."""

    def decorate(function: F) -> click.Command:
        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> None:
            with exit_codes():
                function(*args, **kwargs)

        epilog = f"\b\nExample:\n  ./spark-submit.sh jobs/{example}\n\n{EXIT_CODES}"
        return click.command(cls=_Command, context_settings=_SETTINGS, epilog=epilog)(guarded)

    return decorate


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turns errors into a message on standard error and the exit code that they stand for."""
    try:
        yield
    except PerdureError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.ClickException, click.exceptions.Exit):
        raise
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on from here", err=True)
        sys.exit(130)
    except Exception as error:
        _say_broken(error)
        sys.exit(1)


def _say_broken(error: Exception) -> None:
    """A source's fault in its own words, anything else in short, with the way to the whole trace."""
    from perdure.sources import explain

    told = explain(error)
    if told is not None:
        click.echo(f"error: {told}", err=True)
    elif os.environ.get("PERDURE_TRACE"):
        traceback.print_exc()
    else:
        text = str(error).strip().splitlines() or [""]
        click.echo(f"broken: {type(error).__name__}: {text[0][:500]}", err=True)
        click.echo(
            "Nothing stored is half-written: the same command resumes. PERDURE_TRACE=1 shows the whole trace.",
            err=True,
        )


def pipeline_options(function: F) -> F:
    """PIPELINE, --target, --json: what every job takes."""
    for option in (
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print the result as JSON on standard output, and no progress.",
        ),
        click.option("--target", metavar="NAME", help="Which of the file's targets (default: its default one)."),
        click.argument("pipeline", type=click.Path(dir_okay=False)),
    ):
        function = option(function)
    return function


def step_options(function: F) -> F:
    """--interval, --rerun, --dry-run: what every step takes."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would run, and run nothing."),
        click.option("--rerun", is_flag=True, help="Do it again although the ledger has it; that is recorded too."),
        click.option("--interval", metavar="LABEL", help="Which interval, by its start: 2013-01, 2013-01-31, ..."),
    ):
        function = option(function)
    return pipeline_options(function)


@contextmanager
def opened(file: str, target: str | None, *, as_json: bool = False, dry_run: bool = False) -> Iterator[Context]:
    """The pipeline of a file, checked, with Spark, tables and ledger."""
    from perdure.core import pipeline_file

    pipeline = pipeline_file.load(file, target)
    from perdure.io import session
    from perdure.run.context import Context
    from perdure.run.progress import Progress

    spark = session.get(f"perdure {pipeline.pipeline}")
    with Context(pipeline, spark, Progress(silent=as_json), file, dry_run) as context:
        yield context


def run_step(name: str, **given: Any) -> Session:
    """Runs one step of one interval; `given` are the options of `step_options`."""
    with opened(given["pipeline"], given["target"], as_json=given["as_json"], dry_run=given["dry_run"]) as context:
        from perdure.run.flow import Session, latest_due

        session = Session(context, rerun=given["rerun"])
        width = context.pipeline.interval
        interval = Interval.parse(given["interval"], width) if given["interval"] else latest_due(context)
        if given.get("if_due") and not _is_due(session, interval):
            context.progress.say(f"no training is due in {interval}")
        else:
            getattr(session, name)(interval)
    finish(session, as_json=given["as_json"])
    return session


def _is_due(session: Session, interval: Interval) -> bool:
    """Whether the interval's retrain decision, on record, was to train."""
    decision = session.context.ledger.latest("retrain", interval=interval.label)
    return decision is not None and decision.facts.get("decision") == "train"


def finish(session: Session, *, as_json: bool) -> None:
    """The closing line, or the records as JSON."""
    tally, context = session.tally, session.context
    if context.tables.conflicts:
        context.progress.say(
            f"another run of this pipeline was at work at the same time: {context.tables.conflicts} writes met one of "
            "its own and gave way or followed it; each row is there once"
        )
    if as_json:
        click.echo(
            json.dumps(
                {
                    "pipeline": context.pipeline.pipeline,
                    "target": context.pipeline.target,
                    "already_done": tally.known,
                    "runs": [json.loads(record.to_json()) for record in tally.done],
                }
            )
        )
    elif not tally.done:
        known = f"{tally.known} runs are in the ledger already" if tally.known else "no interval is due"
        context.progress.say(f"nothing to do: {known}")


if_due = click.option("--if-due", is_flag=True, help="Only if the interval's decision (retrain) was to train.")


def _step(name: str, text: str, *options: Callable[[Any], Any]) -> click.Command:
    @step_options
    def run(**given: Any) -> None:
        run_step(name, **given)

    run.__doc__ = text
    run.__name__ = name
    for option in options:
        run = option(run)
    return command(f"{name}.py pipelines/flights.yml --interval 2013-04")(run)


ingest = _step(
    "ingest",
    """Load an interval's raw files into the raw_* tables, each exactly once.

    The declared schema is enforced; what can't be parsed is kept with file, line and reason.""",
)
validate = _step(
    "validate",
    """Hold an interval's raw rows against their Great Expectations suites.

    Good rows go on; bad rows go to <source>_quarantine with the rules that they broke. Exit code 3 when refused.""",
)
featurize = _step(
    "featurize", """Build an interval's features and labels, point-in-time, from the validated sources."""
)
score = _step("score", """Score an interval's rows with the version that serves it, into the predictions log.""")
monitor = _step(
    "monitor",
    """Profile an interval, compare it with the champion's training data, measure how good it was.

    Performance is restated for the interval before, whose labels have come in since.""",
)
alert = _step(
    "alert",
    """Tell those named under `alerts` of what has changed in an interval: state by state, once, with the reason.""",
)
publish = _step(
    "publish",
    """Send an interval's predictions, drift and decisions to the Kafka topics named under `publish`, at least once.""",
)
train = _step(
    "train",
    """Search and fit a candidate on what was known at the interval's end; track it in MLflow.

    Each trial is kept there as it ends. Cut off, the same command goes on with the trials that are missing.""",
    if_due,
)


@command("evaluate.py pipelines/flights.yml --interval 2013-04")
@if_due
@step_options
def evaluate(**given: Any) -> None:
    """Hold the interval's candidate against thresholds and the champion, on the same holdout.

    Exit code 4 when its gate refuses."""
    raise_if_refused(run_step("evaluate", **given), dry_run=given["dry_run"])


def raise_if_refused(session: Session, *, dry_run: bool) -> None:
    """Raises ModelGateRefused when the newest candidate did not pass its gate, unless the session looked at none."""
    if not session.tally.done and not session.tally.known:
        return
    last = session.context.ledger.latest("evaluate")
    if last is not None and last.status == "refused" and not dry_run:
        raise ModelGateRefused(f"the candidate of {last.interval} did not pass its gate; the champion stays")


@command("retrain.py pipelines/flights.yml --interval 2013-04")
@click.option("--exit-code", is_flag=True, help="Only decide; exit with 10 when a training is due.")
@click.option("--decide-only", is_flag=True, help="Only decide; exit with 0 either way (see train --if-due).")
@step_options
def retrain(exit_code: bool, decide_only: bool, **given: Any) -> None:
    """Decide from the policy and the evidence whether a training is due, and why; train to deploy when it is.

    Where a challenger is being rolled out, its next step is decided first."""
    session = run_step("decide" if exit_code or decide_only else "retrain", **given)
    last: RunRecord | None = session.context.ledger.latest("retrain", interval=given["interval"])
    if exit_code and last is not None and last.facts.get("decision") == "train":
        sys.exit(10)


@command("run.py pipelines/flights.yml --from 2013-01 --until 2013-06")
@click.option("--until", metavar="LABEL", help="The last interval (default: the last complete one, or the file's end).")
@click.option("--from", "since", metavar="LABEL", help="The first interval (default: the file's start).")
@click.option("--follow", "stay", is_flag=True, help="Stay, and live each interval as soon as it is ready (see --due).")
@click.option("--due", "only_due", is_flag=True, help="Only intervals that are ready now and were never lived.")
@step_options
def run(since: str | None, until: str | None, *, only_due: bool, stay: bool, **given: Any) -> None:
    """Live every due step: of one interval, of a range, or of all that the pipeline file names. One Spark session.

    What the ledger has is not done again, so the same command resumes after any interruption. --due is for schedules:
    it waits for the rows that come late (`available_after`), and leaves alone what was lived, whatever has changed.
    --follow does the same without an end, for intervals of minutes; it waits for files that haven't landed. To stop it,
    interrupt it (Ctrl-C, SIGTERM), or kill it."""
    if given["interval"] and (since or until):
        raise click.UsageError("give either --interval, or --from and --until")
    if (only_due or stay) and (given["interval"] or since or until or given["rerun"]):
        wish = "--follow" if stay else "--due"
        raise click.UsageError(f"{wish} finds the intervals itself: leave out --interval, --from, --until and --rerun")
    if stay and given["dry_run"]:
        raise click.UsageError("--follow runs what becomes ready; --dry-run goes with --due")
    if stay:
        _follow(given["pipeline"], given["target"], as_json=given["as_json"])
        return
    with opened(given["pipeline"], given["target"], as_json=given["as_json"], dry_run=given["dry_run"]) as context:
        from perdure.core.schedule import now
        from perdure.run.flow import Session, due
        from perdure.run.gather import after_run
        from perdure.run.owed import owed

        session = Session(context, rerun=given["rerun"])
        if only_due:
            intervals = owed(context.pipeline, context.ledger, now())
        else:
            intervals = list(due(context, since or given["interval"], until or given["interval"]))
        session.live(intervals)
        finish(session, as_json=given["as_json"])
        if not given["as_json"] and not given["dry_run"]:
            after_run(context, changed=bool(session.tally.done))


def _follow(pipeline: str, target: str | None, *, as_json: bool) -> None:
    """Each round's records as a line of JSON, those of a round that is stopped too; or the report renewed."""
    import signal
    import time

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run.follow import follow
        from perdure.run.gather import write_report

        def tell(session: Session) -> None:
            finish(session, as_json=as_json)

        for session in follow(context, time.sleep, stopped=tell):
            tell(session)
            if not as_json:
                context.progress.say(f"report    {write_report(context, 'html', None)}")


@command("check.py pipelines/flights.yml")
@click.option("--no-sql", is_flag=True, help="Leave the SQL unanalysed (no Spark).")
@pipeline_options
def check(pipeline: str, target: str | None, as_json: bool, no_sql: bool) -> None:
    """Check a pipeline file, its suites and its SQL, without data. Every problem is told in one go; exit code 2."""
    from perdure.core import pipeline_file

    loaded = pipeline_file.load(pipeline, target)
    from perdure.run.checking import check_sql, check_suites

    check_suites(loaded, pipeline)
    columns = {} if no_sql else check_sql(loaded, pipeline)
    if as_json:
        click.echo(
            json.dumps({"pipeline": loaded.pipeline, "target": loaded.target, "features": columns, "problems": []})
        )
    else:
        click.echo(
            f"{pipeline}: fine ({len(loaded.sources)} sources, {len(columns)} feature columns, target {loaded.target})"
        )


@command("report.py pipelines/flights.yml --output report.html")
@click.option("--format", "kind", type=click.Choice(["html", "markdown", "json"]), default="html", show_default=True)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: beside the pipeline's tables."
)
@pipeline_options
def report(pipeline: str, target: str | None, as_json: bool, kind: str, output: Path | None) -> None:
    """Write the report: is the model still good, for whom, what changed, what was decided. One self-contained file."""
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run.gather import write_report

        file = write_report(context, "json" if as_json else kind, output)
    click.echo(json.dumps({"file": str(file)}) if as_json else f"report: {file}")


@command("history.py pipelines/flights.yml --step train")
@click.option("--champion-at", "moment", metavar="TIME", help="Which version served at a time: 2013-05-03, ...")
@click.option("--run", "run_id", metavar="ID", help="One run in full, by its id or the beginning of it.")
@click.option("--status", type=click.Choice(["done", "refused", "failed"]))
@click.option("--interval", metavar="LABEL")
@click.option("--step", metavar="NAME")
@pipeline_options
def history(pipeline: str, target: str | None, as_json: bool, moment: str | None, **filters: Any) -> None:
    """List the runs of a pipeline, or show one in full: inputs with versions, outputs, environment, gate lines."""
    with opened(pipeline, target, as_json=as_json) as context:
        if moment:
            from perdure.run.standing import show_at

            show_at(context, moment, as_json=as_json)
            return
        from perdure.run.history import show

        show(context, as_json=as_json, **filters)
