"""Rows of earlier intervals, late or corrected ones: where they belong, and what has to be stated anew for them.

A restatement is a run over an earlier interval with what was known at a later one's end (`RunRecord.known_at`). What
was decided in between - trainings, evaluations, deployments, predictions - doesn't see it, so it stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.core.record import JSON, FileVersion, RunRecord, TableVersion

if TYPE_CHECKING:
    from .context import Context

Outputs = tuple[TableVersion, ...]


def takes_late(source: Source) -> bool:
    """Whether the files of one interval may bring rows of earlier ones."""
    return source.late == "upsert" and "{interval}" in source.path


def corrected(
    context: Context, name: str, interval: Interval, hand: Interval | None, files: Sequence[FileVersion]
) -> bool:
    """Whether an interval that was lived (it lies before `hand`, the first that wasn't) has other rows now, in a source
    that takes corrections."""
    if hand is None or context.pipeline.sources[name].late != "upsert" or interval.start >= hand.start:
        return False
    before = context.ledger.latest("ingest", subject=name, interval=interval.label)
    return before is not None and (before.files != tuple(files) or bool(before.known_at))


def elsewhere(
    context: Context, name: str, interval: Interval, outputs: Outputs
) -> tuple[Mapping[str, JSON], Outputs]:
    """The late rows among those that an interval's ingest wrote, as facts and as outputs that belong to the intervals
    of their event times. Delta's file statistics answer without a read where there are none."""
    source, ledger = context.pipeline.sources[name], context.ledger
    # Once an interval had rows from here it must be looked at again when it has none any more.
    before = [output for record in ledger.records if record.step == "ingest" and record.subject == name
              and record.interval == interval.label for output in record.elsewhere]  # fmt: skip
    rows = {str(output.since): (output.until, 0) for output in before}
    found = _late_rows(context, name, interval, outputs[0].version) if takes_late(source) else {}
    rows |= {each.start.isoformat(): (each.end.isoformat(), count) for each, count in found.items()}
    parts = tuple(
        TableVersion(outputs[0].table, outputs[0].version, count, since, until)
        for since, (until, count) in sorted(rows.items())
    )
    return ({"late": {each.label: count for each, count in sorted(found.items())}} if found else {}), parts


def _late_rows(context: Context, name: str, interval: Interval, version: int) -> dict[Interval, int]:
    from pyspark.sql import functions as F

    from perdure.steps.late import late

    source = context.pipeline.sources[name]
    begin = Interval.containing(context.pipeline.start, interval.width).start
    rows = context.tables.read(Read(f"raw_{name}"), version).where(F.col("_interval") == interval.label)
    at = F.unix_seconds(F.date_trunc(interval.width.unit, F.col(quoted(str(source.event_time))))).alias("at")
    counts: dict[Interval, int] = {}
    for row in rows.where(late(source, interval.start, begin)).groupBy(at).count().collect():
        each = Interval.containing(datetime.fromtimestamp(row["at"], timezone.utc), interval.width)
        counts[each] = counts.get(each, 0) + row["count"]
    return counts


Touched = dict[Interval, list[str]]
"""Intervals, oldest first, and of each the sources that have other rows now."""


def touched(context: Context, as_of: datetime) -> Touched:
    """The earlier intervals that rows known from `as_of` on belong to. Only those that were validated: the others take
    their rows when they are lived."""
    return _touched(context, as_of.isoformat()).get(as_of.isoformat(), {})


def later(context: Context, intervals: Collection[Interval]) -> list[Interval]:
    """The intervals whose late rows state any of these anew, oldest first."""
    wanted, width = set(intervals), context.pipeline.interval
    moments = {moment for moment, found in _touched(context).items() if wanted & found.keys()}
    return [Interval.containing(datetime.fromisoformat(moment), width).previous for moment in sorted(moments)]


def _touched(context: Context, only: str | None = None) -> dict[str, Touched]:
    """By the moment from which the rows are known (`only` that one)."""
    pipeline, ledger = context.pipeline, context.ledger
    sources = [name for name, source in pipeline.sources.items() if source.late == "upsert"]
    parts: dict[str, set[tuple[str, str]]] = {}
    for record in ledger.records if sources else ():
        if record.step == "ingest" and record.subject in sources and only in (None, record.since):
            starts = {str(output.since) for output in record.elsewhere}
            starts |= {record.interval_start} if record.known_at else set()
            parts.setdefault(record.since, set()).update((start, record.subject) for start in starts)
    found: dict[str, Touched] = {}
    for moment, some in parts.items():
        for start, name in sorted(some):
            interval = Interval.containing(datetime.fromisoformat(start), pipeline.interval)
            if ledger.latest("validate", subject=name, interval=interval.label):
                found.setdefault(moment, {}).setdefault(interval, []).append(name)
    return found


def restated(records: Sequence[RunRecord], as_of: datetime) -> set[str]:
    """The labels of the intervals whose features were stated anew with what was known at `as_of`."""
    return {record.interval for record in records if record.step == "featurize" and record.status == "done"
            and record.known_at == as_of.isoformat()}  # fmt: skip
