"""The command lines of the jobs that look after data: quarantined rows, suggested rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from perdure.quality import wording

from .cli import command, opened, pipeline_options


@command("quarantine.py pipelines/flights.yml schedule --export bad.csv")
@click.option("--from", "edited", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="With --replay: an exported file whose rows you edited; those in it come back.")  # fmt: skip
@click.option("--replay", is_flag=True, help="Judge again: under the suite as it is now, with edited rows (--from).")
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the rows to FILE (.csv or .jsonl), to be looked at, or edited for --replay.")  # fmt: skip
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Show N rows with file, line and reasons.")
@click.option("--rule", metavar="RULE", help="Only rows that failed this rule: its name, or its fingerprint.")
@click.option("--interval", metavar="LABEL", help="Only one interval's rows.")
@pipeline_options
@click.argument("source")
def quarantine(pipeline: str, target: str | None, as_json: bool, source: str, **wish: Any) -> None:
    """What is in a source's quarantine, by rule; its rows; and their way back into the validated table.

    Exit code 3 when a replayed interval is refused."""
    if wish["edited"] and not wish["replay"]:
        raise click.UsageError("--from needs --replay")
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run.quarantine import Quarantine

        found = Quarantine(context, source, wish["interval"])
        if wish["replay"]:
            records = found.replay(wish["edited"])
            if as_json:
                click.echo(json.dumps({"runs": [json.loads(record.to_json()) for record in records]}))
            elif not records:
                click.echo("nothing to do: the rows were judged by these rules, with these values, already")
        elif wish["export"]:
            count = found.export(wish["export"], wish["rule"])
            click.echo(
                json.dumps({"file": str(wish["export"]), "rows": count})
                if as_json
                else (
                    f"{count:,} rows in {wish['export']}: edit them (leave _id), then --replay --from {wish['export']}"
                )
            )
        elif wish["rows"]:
            _show(found.shown(wish["rows"], wish["rule"]), as_json=as_json)
        else:
            _show(found.summary(), as_json=as_json)


@command("suggest.py pipelines/flights.yml schedule --share 0.1")
@click.option("--json", "as_json", is_flag=True, help="Print the suite, and what was dropped, on standard output.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Default: expectations/<source>.suggested.json.")  # fmt: skip
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              help="How much of the rows to look at.")  # fmt: skip
@click.option("--target", metavar="NAME", help="Which of the file's targets (default: its default one).")
@click.argument("pipeline", metavar="PIPELINE|FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("source", required=False)
def suggest(pipeline: Path, source: str | None, target: str | None, share: float, **wish: Any) -> None:
    """Write a Great Expectations suite from what the data look like: a pipeline's SOURCE, or a plain file.

    Each rule says why it is there and how sure it is, told from rows that it was not made from."""
    if pipeline.suffix in (".yml", ".yaml"):
        if source is None:
            raise click.UsageError("which source of the pipeline? Give its name after the file")
        with opened(str(pipeline), target, as_json=True) as context:
            from perdure.run import suggesting

            found = suggesting.of_source(context, source, share)
            file = wish["output"] or context.pipeline.path(f"expectations/{source}.suggested.json")
    else:
        from perdure.io import session
        from perdure.run import suggesting

        found = suggesting.of_file(session.get("perdure suggest"), pipeline, share)
        file = wish["output"] or Path("expectations", f"{pipeline.stem}.suggested.json")
    if wish["as_json"]:
        dropped = [{**entry, "why": why} for entry, why in found.dropped]
        click.echo(json.dumps({"suite": found.suite, "dropped": dropped}, default=str))
        return
    suggesting.write(found.suite, file, force=wish["force"])
    _show([{"rule": wording.title(entry), "must be": wording.bound(entry, per_row=True),
            "sure of": f"{100 * entry['meta']['confidence']:.4g} %", "because": entry["meta"]["reason"]}
           for entry in found.suite["expectations"]], as_json=False)  # fmt: skip
    for entry, why in found.dropped:
        click.echo(f"dropped: {wording.title(entry)}: {why}")
    count = len(found.suite["expectations"])
    click.echo(f"{count} rules from {found.seen:,} rows, tried on {found.held_out:,} others: {file}")


@command("docs.py pipelines/flights.yml")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Default: the folder data_docs beside the pipeline's tables.")  # fmt: skip
@pipeline_options
def docs(pipeline: str, target: str | None, as_json: bool, output: Path | None) -> None:
    """Write Great Expectations' Data Docs: a page for every source and interval, and an index. They need no network."""
    with opened(pipeline, target, as_json=as_json) as context:
        from perdure.run.data_docs import write

        file = write(context, output)
    click.echo(json.dumps({"file": str(file)}) if as_json else f"data docs: {file}")


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A table, wide enough for its text; JSON on request."""
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    if not rows:
        click.echo("no rows in quarantine")
        return
    from rich.markup import escape
    from rich.table import Table

    from perdure.run.terminal import console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(escape(name), justify="right" if name == "rows" else "left")
    for row in rows:
        texts = (", ".join(map(str, value)) if isinstance(value, list) else value for value in row.values())
        table.add_row(*("" if text is None else escape(f"{text:,}" if isinstance(text, int) else str(text))
                        for text in texts))  # fmt: skip
    console(width=200).print(table)


@command("init.py shop --sample orders.csv --label 'returned = 1'")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.option("--interval", metavar="SPAN", help="What one run processes: '1 day', '1 month', ...")
@click.option(
    "--label", metavar="COLUMN|SQL", help="What is predicted: a column, or an SQL expression over the columns."
)
@click.option("--time", metavar="COLUMN", help="The event time.")
@click.option("--key", metavar="COLUMN", help="The column that names a row.")
@click.option("--sample", required=True, type=click.Path(dir_okay=False), help="CSV, JSON lines or Parquet.")
@click.argument("name")
def init(name: str, sample: str, *, force: bool, as_json: bool, **wish: str | None) -> None:
    """Write a new pipeline from a sample of your data: its file, SQL and suite, which run as they are.

    The sample stays where it is and becomes the pipeline's source. What isn't said is inferred, and told."""
    from perdure.init import Wish, create

    root = Path.cwd()
    created = create(name, sample, Wish(**wish), root=root, force=force)
    files = [str(file.relative_to(root)) for file in created.files]
    if as_json:
        click.echo(json.dumps({"files": files, "inferred": created.said}))
        return
    for line in (*created.said, *(f"wrote {file}" for file in files)):
        click.echo(line)
    click.echo(f"next: ./spark-submit.sh jobs/run.py pipelines/{name}.yml")
