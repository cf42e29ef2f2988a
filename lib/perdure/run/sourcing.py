"""The plans over sources: raw files to raw tables, raw rows to valid and quarantined ones, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import NotThereYet, PerdureError, SourceError
from perdure.core.interval import Interval
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.protocols import Read, StepResult
from perdure.core.record import JSON, FileVersion, RunRecord, fingerprint
from perdure.io.ledger import Seen
from perdure.sources import _files
from perdure.sources._drift import Change

from .context import Context
from .engine import Inputs, Outputs, Plan, command
from .late import corrected, elsewhere, takes_late
from .plans import plain
from .usual import with_unusual

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def holds_all_times(source: Source) -> bool:
    """Whether one file (or pattern) of this source holds more than one interval."""
    return "{interval}" not in source.path and not by_interval(source)


def by_interval(source: Source) -> bool:
    """Whether a run reads its interval's rows of a table."""
    return not source.static and getattr(registry.load("perdure.sources", source.format), "BY_INTERVAL", False)


def ingest(
    context: Context, name: str, interval: Interval, hand: Interval | None = None, *, anew: bool = False
) -> Plan:
    """Raw files to `raw_<source>`. `hand`: the first interval that has not been lived; where the rows of one before it
    have changed, and the source takes corrections, they count as known from then on. Raises SourceError when the
    interval's files aren't there; those that were ingested may have gone since, to an archive, and keep their rows
    unless it is done `anew`."""
    source = context.pipeline.sources[name]
    static = holds_all_times(source)
    label = "static" if static else interval.label
    record = context.ledger.latest("ingest", subject=name, interval=label)
    same = record is not None and not anew and record.config["path"] == source.path
    files = _kept(context, name, interval, record if same else None)

    def unchanged(outputs: Outputs) -> tuple[Mapping[str, JSON], Outputs]:
        if _landed(context, name, interval) != files:
            raise SourceError(f"source '{name}' of {interval} changed while it was read; the same command starts anew")
        return elsewhere(context, name, interval, outputs)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.ingest import ingest as step

        reader = registry.load("perdure.sources", source.format)
        changes: list[Change] = []
        parsed = reader.read(context.spark, [file.path for file in files], source, changes)
        facts = {"schema_changes": [change.to_dict() for change in changes]} if changes else {}
        return replace(step(parsed, source=name, config=source), facts=facts)

    config = plain(source)
    for later in ("expectations", "on_failure", "key", "available_after"):
        config.pop(later)
    return Plan(
        "ingest",
        interval,
        config,
        call,
        subject=name,
        files=tuple(files),
        static=static,
        confirm=unchanged,
        as_of=hand.end if hand and corrected(context, name, interval, hand, files) else None,
    )


def _kept(context: Context, name: str, interval: Interval, record: RunRecord | None) -> list[FileVersion]:
    """As `_landed`, but for files that the interval's last run, if there was one, has read and that are gone."""
    source = context.pipeline.sources[name]
    try:
        files = _landed(context, name, interval)
    except NotThereYet:
        if record is None:
            raise
        return list(record.files)
    before = record.files if record and not hasattr(registry.load("perdure.sources", source.format), "inputs") else ()
    gone = {_tail(file) for file in before} - {_tail(file) for file in files}
    known = {(_tail(file), file.size, file.modified) for file in before}
    if gone and all((_tail(file), file.size, file.modified) in known for file in files):
        return list(before)
    if gone:
        raise SourceError(
            f"source '{name}' of {interval}: files came while others are gone that its rows are from, such as "
            f"{min(gone)}. Put them back, or take the interval without them: "
            f"{command(context, 'ingest', interval)} --rerun"
        )
    return files


def _tail(file: FileVersion) -> str:
    """A file's name and its folder's, which stay where a project is moved."""
    return "/".join(file.path.split("/")[-2:])


def _landed(context: Context, name: str, interval: Interval) -> list[FileVersion]:
    """What an interval's run reads of a source, as it is now. Raises SourceError when its files aren't there."""
    source = context.pipeline.sources[name]
    reader = registry.load("perdure.sources", source.format)
    path = resolve_secrets(source.path.replace("{interval}", interval.in_paths))
    location = context.pipeline.location(path) if getattr(reader, "IS_PATH", True) and "/" in path else path
    if hasattr(reader, "inputs"):
        first, span = interval.start <= context.pipeline.start, interval if by_interval(source) else None
        found: list[FileVersion] = reader.inputs(context.spark, location, source, span, first=first)
        return found
    location = context.pipeline.location(path)
    files = _files.list_files(context.spark, location)
    if not files:
        raise NotThereYet(f"source '{name}' has no file for {interval} yet: expected {location}")
    return files


def validate(context: Context, name: str, interval: Interval, as_of: datetime | None = None) -> Plan:
    """`raw_<source>` to `<source>` and `<source>_quarantine`, judged by its suite; with the late rows that came until
    `as_of` (default: the interval's end, when none can have come)."""
    source = context.pipeline.sources[name]
    file = context.pipeline.suite_file(name)
    suite = json.loads(file.read_text(encoding="utf-8")) if file else None
    wish = Read(f"raw_{name}", None, interval.start, interval.end)
    back = Read(f"{name}_replayed", None, interval.start, interval.end, optional=True)
    landed = Seen(context.ledger, as_of or interval.end).producers(wish)

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.late import belonging
        from perdure.steps.replay import mended
        from perdure.steps.validate import validate as step

        raw = inputs[f"raw_{name}"]
        if takes_late(source):
            others = [record.interval for record in landed if record.interval != interval.label]
            begin = Interval.containing(context.pipeline.start, interval.width).start
            raw = belonging(raw, config=source, interval=interval, begin=begin, others=others)
        if back.table in inputs:
            raw = mended(raw, _of_interval(inputs[back.table], source, interval), source)
        if holds_all_times(source) and not source.static:
            raw = _only(raw, source, interval, first=interval.start <= context.pipeline.start)
        result = step(raw, source=name, config=source, suite=suite, interval=interval, run_id=run_id)
        _require_all(wish, source, interval, landed, result)
        return result

    return Plan(
        "validate",
        interval,
        {"source": plain(source), "suite": suite},
        call,
        subject=name,
        reads=(wish, back),
        latest_only=(f"raw_{name}",),
        static=source.static,
        finish=lambda result, run_id: (_told(context, name, interval, result, run_id), ()),
        as_of=as_of,
    )


def _told(context: Context, name: str, interval: Interval, result: StepResult, run_id: str) -> Mapping[str, JSON]:
    """What is unusual about an interval's rows, and what the pipeline's actions said to the result of the suite."""
    source, wished = context.pipeline.sources[name], context.pipeline.validation.actions
    facts = {} if source.static else with_unusual(context, "validate", name, interval, result)[0]
    if not (wished and result.facts["result"]):
        return facts
    from perdure.quality.actions import act

    given = [{key: resolve_secrets(value) if isinstance(value, str) else value for key, value in one.items()}
             for one in wished]  # fmt: skip
    subject = f"{context.pipeline.pipeline} {name} {interval}"
    return {**facts, "actions": act(given, result.facts["result"], subject, run_id)}


def replay(context: Context, name: str, interval: Interval, edits: Edits | None) -> Plan:
    """Quarantined rows of an interval noted for their way back, with the values of `edits` where given."""
    pipeline = context.pipeline
    source, suite = pipeline.sources[name], pipeline.suite_file(name)
    label = "static" if source.static else interval.label
    judged = context.ledger.latest("validate", subject=name, interval=label)
    before = context.ledger.latest("replay", subject=name, interval=label)
    if judged is None:
        raise PerdureError(f"{name} of {interval} was never validated, so it has no quarantined rows")
    facts: dict[str, JSON] = {
        "turn": before.facts["turn"] + 1 if before else 0,
        "edits": edits.fingerprint if edits else None,
        "suite": fingerprint(json.loads(suite.read_text(encoding="utf-8"))) if suite else None,
        "validate_run": judged.run_id,
    }

    def call(inputs: Inputs, run_id: str) -> StepResult:
        from perdure.steps.replay import replay as step

        table = f"{name}_quarantine"
        version = next(output.version for output in judged.outputs if output.table == table)
        rows = _of_interval(context.tables.read(Read(table), version), source, interval)
        result = step(rows, edits.rows if edits else None, source=name, config=source, turn=facts["turn"])
        return replace(result, facts=facts)

    identity = {**facts, "before": before.run_id if before else None}
    return Plan("replay", interval, plain(source), call, subject=name, identity=identity, static=source.static)


@dataclass(frozen=True)
class Edits:
    """Edited quarantined rows of one interval: `_id` and the declared columns; `fingerprint` is their file's."""

    rows: DataFrame
    fingerprint: str


def _of_interval(rows: DataFrame, source: Source, interval: Interval) -> DataFrame:
    """The rows of a table that a run over this interval wrote."""
    from pyspark.sql import functions as F

    return rows.where(F.col("_interval") == ("static" if source.static else interval.label))


def _require_all(
    wish: Read, source: Source, interval: Interval, landed: Sequence[RunRecord], result: StepResult
) -> None:
    """Raises PerdureError unless the step saw as many rows as `landed` committed for the interval."""
    if holds_all_times(source) and not source.static:
        return  # the files hold other intervals' rows, too
    found = result.facts["rows_in"]
    committed = []
    for record in landed:
        for output in (output for output in record.outputs if output.table == wish.table):
            if output.since in (None, interval.start.isoformat()):
                committed.append(output.rows)
            elif record.interval == interval.label:
                committed.append(output.rows and -output.rows)  # these belong to other intervals
    if None not in committed and found != sum(rows or 0 for rows in committed):
        raise PerdureError(f"{wish.table} holds {committed} committed rows, but {found} were judged; ingest it again")


def _only(raw: DataFrame, source: Source, interval: Interval, *, first: bool) -> DataFrame:
    """This interval's rows of a source whose files hold all times; rows without a time go with the first."""
    from pyspark.sql import functions as F

    time = F.col(str(source.event_time))
    mine = (time >= F.lit(interval.start)) & (time < F.lit(interval.end))
    return raw.where(mine | time.isNull() if first else mine)
