"""The command lines of the jobs that answer for a model: audit, explanations, cards, promotion, erasure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from .cli import command, opened, pipeline_options


@command("audit.py pipelines/flights.yml --prediction 2013-04-01-UA-1545-EWR")
@click.option("--anchor", "anchors", multiple=True, metavar="HASH",
              help="With --verify: a head that an earlier --verify gave; it must still be in the chain.")  # fmt: skip
@click.option("--interval", metavar="LABEL", help="With --prediction: only this interval's.")
@click.option("--source", metavar="FILE", help="Which models and predictions a source file touched.")
@click.option("--model", metavar="VERSION", help="Everything behind a model version.")
@click.option("--prediction", metavar="KEY", help="Everything behind the prediction of a row, by its key.")
@click.option("--vacuum", type=click.FloatRange(min=0), metavar="HOURS",
              help="Which model versions a VACUUM that keeps so many hours would make irreproducible.")  # fmt: skip
@click.option("--verify", is_flag=True, help="Whether the ledger is as it was written. Exit code 1 when not.")
@pipeline_options
def audit(pipeline: str, target: str | None, as_json: bool, **wish: Any) -> None:
    """Prove the ledger, and trace what came of what.

    A prediction, or a model: its data, tables at their versions, source files, expectations, gate lines, code,
    environment, and who ran it. A file: the models and predictions it touched."""
    _require_one(wish)
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.core.errors import UsageError
        from perdure.run import audit, audit_view
        from perdure.run.lineage import Lineage

        found: Any
        show: Any
        if wish["verify"]:
            found, show = audit.verify(context, wish["anchors"]), audit_view.show_verified
        elif wish["vacuum"] is not None:
            found, show = audit.vacuum(context, wish["vacuum"]), audit_view.show_vacuum
        elif wish["prediction"]:
            found, show = audit.prediction(context, wish["prediction"], wish["interval"]), audit_view.show_prediction
        elif wish["model"]:
            found, show = audit.model(Lineage(context.ledger.records), wish["model"]), audit_view.show_model
            if not found["training"] and not found["decision"]:
                raise UsageError(f"the ledger knows no model version {wish['model']}")
        else:
            found, show = audit.file(context, wish["source"]), audit_view.show_file
        if as_json:
            click.echo(json.dumps(found, default=str))
        else:
            show(found)
    if wish["verify"] and not found["intact"]:
        sys.exit(1)


def _require_one(wish: dict[str, Any]) -> None:
    """Raises a usage error unless one question is asked, with options that go with it."""
    chosen = [name for name in ("verify", "vacuum", "prediction", "model", "source")
              if wish[name] not in (None, False)]  # fmt: skip
    if len(chosen) != 1:
        raise click.UsageError("give one of --verify, --vacuum, --prediction, --model and --source")
    for name, goes_with in (("anchors", "verify"), ("interval", "prediction")):
        if wish[name] and chosen != [goes_with]:
            raise click.UsageError(f"--{name.removesuffix('s')} goes with --{goes_with}")


@command("explain.py pipelines/flights.yml --interval 2013-11 --top 3")
@click.option("--key", metavar="KEY", help="Show the reasons for one row, by its key.")
@click.option("--top", type=click.IntRange(1, 20), metavar="N",
              help="Features a prediction (default: explain.reasons of the pipeline file, or 3).")  # fmt: skip
@click.option("--interval", metavar="LABEL", help="Which interval, by its start (default: the last that was scored).")
@pipeline_options
def explain(pipeline: str, target: str | None, as_json: bool, **wish: Any) -> None:
    """Why the model said what it said: each prediction's top features into the table `reasons`.

    Contributions are exact SHAP values, computed where the rows are. What the model leans on as a whole (mean |SHAP|,
    permutation importance on held-out rows) was found at its training, and is shown."""
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run import explain_view

        found = explain_view.explained(context, wish["interval"], wish["top"], wish["key"])
        if as_json:
            click.echo(json.dumps(found, default=str))
        else:
            explain_view.show(found)


@command("card.py pipelines/flights.yml 3")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Default: cards, beside the pipeline's tables.")  # fmt: skip
@pipeline_options
@click.argument("model_version", required=False)
def card(pipeline: str, target: str | None, as_json: bool, model_version: str | None, output: Path | None) -> None:
    """Write a version's model card (default: the newest), as HTML and as Markdown.

    What it predicts, how well and for whom, what it leans on, its limits, where it comes from. Each version's card is
    also kept with its run in MLflow."""
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run import cards

        files = cards.write(context, model_version, output)
    if as_json:
        click.echo(json.dumps({"files": [str(file) for file in files]}))
    for file in () if as_json else files:
        click.echo(f"card: {file}")


@command("promote.py pipelines/flights.yml 3 --to cluster")
@click.option("--force", is_flag=True, help="Also a version that didn't pass its gate, or isn't approved.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for alias_history.")
@click.option("--to", "goal", required=True, metavar="TARGET", help="Where it goes; --target is where it is.")
@pipeline_options
@click.argument("model_version")
def promote(pipeline: str, target: str | None, as_json: bool, model_version: str, goal: str, **wish: Any) -> None:
    """Bring a model version from one target's registry to another's, where it becomes champion.

    Model, golden rows, card, pipeline file, SQL, suites and records go as one bundle, whose files are compared on
    arrival. Exit code 4 for a version that didn't pass its gate, or waits for approval or was rejected where it is.
    Where the goal asks for approval (gate: {approval: required}) it waits there."""
    with opened(pipeline, target, as_json=as_json) as source, opened(pipeline, goal, as_json=as_json) as context:
        from perdure.run import cards
        from perdure.run import promote as moving

        found = moving.promote(source, context, model_version, wish["reason"], force=wish["force"])
        cards.log(context, str(found["model_version"]))
        if as_json:
            click.echo(json.dumps(found))
        else:
            moving.show(found, context)


@command("erase.py pipelines/flights.yml --key 2013-04-01-UA-1545-EWR")
@click.option("--apply", is_flag=True, help="Delete; without it, nothing is changed.")
@click.option("--column", metavar="NAME", help="The column that tells whose rows (default: the features' key).")
@click.option("--key", required=True, metavar="VALUE", help="Whose rows.")
@pipeline_options
def erase(pipeline: str, target: str | None, as_json: bool, key: str, column: str | None, *, apply: bool) -> None:
    """Delete a person's rows from every table, by key. A dry run unless --apply is given.

    Says which tables and landed files hold them, and which model versions learnt from them. The ledger keeps that it
    was done, with a hash of the key instead of the key."""
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run import erase as erasing

        found = erasing.erase(context, key, column, apply=apply)
        if as_json:
            click.echo(json.dumps(found, default=str))
        else:
            erasing.show(found, context)
