"""The command lines of the jobs for operations: the schedule, trainings done again, notebooks of either kind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from perdure.core import pipeline_file, schedule
from perdure.core.config import Pipeline

from .cli import command, opened, pipeline_options


@command("schedule.py pipelines/flights.yml --systemd")
@click.option("--databricks", "kind", flag_value="databricks", help="Jobs of a Databricks bundle (see databricks.yml).")
@click.option("--systemd", "kind", flag_value="systemd", help="A service and a timer, with the commands that start it.")
@click.option("--cron", "kind", flag_value="cron", default="cron", help="Lines for crontab (this is the default).")
@pipeline_options
def schedule_(pipeline: str, target: str | None, as_json: bool, kind: str) -> None:
    """Print the pipeline's schedule, for cron, systemd or Databricks: `run --due` whenever an interval becomes ready.

    That is at the interval's end and the longest `available_after` later. A run that finds nothing due does nothing;
    one that was missed or interrupted is made up for by the next. Two never run at once."""
    loaded = pipeline_file.load(pipeline, target)
    when = schedule.calendar(loaded)
    root = Path.cwd()
    words = ["./spark-submit.sh", "jobs/run.py", pipeline, "--due", *(["--target", target] if target else [])]
    if as_json:
        found = {"pipeline": loaded.pipeline, "cron": when.cron, "systemd": when.systemd, "command": words}
        click.echo(json.dumps(found))
    elif kind == "databricks":
        click.echo(_databricks(loaded, pipeline), nl=False)
    else:
        click.echo((_systemd if kind == "systemd" else _cron)(loaded.pipeline, when, root, " ".join(words)))


def _cron(name: str, when: schedule.Calendar, root: Path, run: str) -> str:
    return f"""\
# Times are UTC. A cron that doesn't know CRON_TZ (Debian's) takes them for the machine's own: nothing is lost or
# lived early by that, but a run may find that nothing is due until the next.
CRON_TZ=UTC
{when.cron} cd {_quoted(root)} && flock -n .perdure/{name}.lock {run} >>.perdure/{name}.log 2>&1"""


def _systemd(name: str, when: schedule.Calendar, root: Path, run: str) -> str:
    return f"""\
# ~/.config/systemd/user/perdure-{name}.service
[Unit]
Description=Perdure: what is due of {name}

[Service]
Type=oneshot
WorkingDirectory={root}
ExecStart={root}/{run.removeprefix("./")}

# ~/.config/systemd/user/perdure-{name}.timer
[Unit]
Description=Perdure: {name} when an interval is ready

[Timer]
OnCalendar={when.systemd}
Persistent=true

[Install]
WantedBy=timers.target

# systemctl --user daemon-reload && systemctl --user enable --now perdure-{name}.timer"""


def _databricks(pipeline: Pipeline, file: str) -> str:
    import yaml

    from perdure.bundle import resources

    text: str = yaml.safe_dump(resources(pipeline, file), sort_keys=False, width=120, allow_unicode=True)
    made = f"./spark-submit.sh jobs/schedule.py {file} --databricks >databricks/{pipeline.pipeline}.yml"
    return f"# Made by: {made}\n{text}"


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path)).replace("%", r"\%")  # cron takes a bare % for a line end


@command("notebook.py notebooks/tour.py")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: beside it, .ipynb or .py.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def notebook_(notebook: Path, output: Path | None, *, force: bool) -> None:
    """Convert a notebook: Databricks source (.py) to Jupyter (.ipynb), or back, then without its outputs."""
    from perdure import ipynb
    from perdure.core.errors import UsageError

    back = notebook.suffix == ".ipynb"
    goal = output or notebook.with_suffix(".py" if back else ".ipynb")
    if goal.exists() and not force:
        raise UsageError(f"{goal} is there already: --force writes over it, --output writes elsewhere")
    try:
        text = (ipynb.to_source if back else ipynb.to_ipynb)(notebook.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{notebook}: {error}") from error
    goal.write_text(text, encoding="utf-8")
    click.echo(f"wrote {goal}")


@command("policy.py replay pipelines/flights.yml --when other-policy.yml")
@click.option("--when", type=click.Path(dir_okay=False, path_type=Path), help="Another policy: YAML as in 'retrain'.")
@click.option("--train", is_flag=True, help="Really: live the history again in a scratch target, with its trainings.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output, and no progress.")
@click.option("--target", metavar="NAME", help="Which of the file's targets (default: its default one).")
@click.argument("action", type=click.Choice(["replay"]))
@click.argument("pipeline", type=click.Path(dir_okay=False))
def policy(action: str, pipeline: str, target: str | None, when: Path | None, *, as_json: bool, train: bool) -> None:
    """Replay the retraining policy, or another one, over the stored history: what it would have done, and why.

    Nothing is trained and no data are read; drift and performance are those of the models that really served. With
    --train the history is lived again below the target's storage (trials/), on the same features and labels, and both
    lives are compared by the pipeline's metrics; it costs what the trainings cost, and resumes where it was stopped."""
    from perdure.run.replay import policy_of

    other = policy_of(when) if when else None
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run import replay, scratch

        if train:
            changes = {"retrain": other or context.pipeline.retrain}
            really, again = "as it was", when.stem if when else "again"
            lives = [scratch.life(context, really), scratch.live(context, changes, again)]
            _show_lives(lives, context.pipeline.metric, as_json=as_json)
            return
        found = replay.replay(context.ledger, context.pipeline, other)
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in found], default=str))
    else:
        replay.show(found)


def _show_lives(lives: list[Any], metric: str, *, as_json: bool) -> None:
    from perdure.run import scratch

    if as_json:
        click.echo(json.dumps([each.to_dict() for each in lives]))
    else:
        also = {"log_loss": ["area_under_roc"]}.get(metric, [])
        scratch.show(lives, [metric, *also])


@command("reproduce.py pipelines/flights.yml 3")
@pipeline_options
@click.argument("model_version")
def reproduce(pipeline: str, target: str | None, as_json: bool, model_version: str) -> None:
    """Train a model version again from its recorded table versions, and compare predictions on its holdout.

    Exit code 0 when they are equal, 1 when not; then what differs (data, packages, code) is said."""
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run.reproduce import reproduce as again

        equal = again(context, model_version, as_json=as_json)
    sys.exit(0 if equal else 1)
