"""What an interval's measures are held against: those of the runs before it, from the ledger. No data are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from perdure.core.interval import Interval
from perdure.core.protocols import Write
from perdure.core.record import JSON
from perdure.io.ledger import Seen

if TYPE_CHECKING:
    from perdure.core.protocols import StepResult

    from .context import Context

INTERVALS = 60
"""Of history, at least; four seasons where those are longer."""


def with_unusual(
    context: Context, step: str, subject: str, interval: Interval, result: StepResult
) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
    """As a plan's `finish`: fact `unusual`, what of the step's fact `measures` lies outside its own history."""
    found = unusual_of(context, step, subject, interval, result.facts.get("measures") or ())
    for line in found:
        context.progress.say(f"          unusual: {subject} {line['text']}".replace("  ", " "))
    return {"unusual": found}, ()


def unusual_of(
    context: Context, step: str, subject: str, interval: Interval, measures: Sequence[Any]
) -> list[dict[str, Any]]:
    """The findings (`quality.unusual.Finding`, JSON-ready, and each as `text`); the least likely first."""
    from perdure.quality.unusual import Measure, among, season_of, usual

    season = season_of(context.pipeline.interval)
    before = _before(context, step, subject, interval, max(INTERVALS, 4 * (season or 0)))
    past = [([Measure.from_list(one) for one in facts.get("measures") or ()],
             [(one["column"], one["measure"]) for one in facts.get("unusual") or ()]) for facts in before]
    now = [Measure.from_list(one) for one in measures]
    found = among(usual(past), now, false_alarms=context.pipeline.monitor.false_alarms, season=season)
    return [{**finding.to_dict(), "text": str(finding)} for finding in found]


def _before(context: Context, step: str, subject: str, interval: Interval, many: int) -> list[Mapping[str, Any]]:
    """The facts of the step's newest run in each of the intervals before, oldest first."""
    found = {
        record.interval_start: record.facts for record in Seen(context.ledger, interval.end).records
        if record.step == step and record.subject == subject and record.status != "failed"
        and record.interval_start and record.interval_start < interval.start.isoformat()
    }  # fmt: skip
    return [found[start] for start in sorted(found)[-many:]]
