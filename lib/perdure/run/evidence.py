"""What a decision at an interval's end may look at, from the ledger's records: no data is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from perdure.core.conditions import Repeated, Retrain, parts
from perdure.core.config import Pipeline
from perdure.core.interval import Interval
from perdure.core.record import RunRecord
from perdure.drift.attributions import LOW
from perdure.io.ledger import Records, Seen
from perdure.policy.retrain import ChampionFacts, Evidence, Part

from .champion import BY_HAND, Champion, challenger_at, champion_at, changes, pinned_at, undone


def gather_evidence(
    ledger: Records, pipeline: Pipeline, interval: Interval, retrain: Retrain | None = None
) -> tuple[Evidence, list[RunRecord]]:
    """All that the policy (the pipeline's own, or `retrain`) may look at, and the records that it came from."""
    evidence, records = _one(ledger, pipeline, interval, interval.end)
    policy = retrain or pipeline.retrain
    back = max((part.last - 1 for _, part in parts(policy.when) if isinstance(part, Repeated)), default=0)
    earlier, here = [], interval
    for _ in range(back):
        here = here.previous
        if here.start < pipeline.start:
            break
        found, more = _one(ledger, pipeline, here, interval.end)
        earlier.append(found)
        records += more
    unique = {record.run_id: record for record in records}
    return replace(evidence, earlier=tuple(earlier)), list(unique.values())


def _one(
    ledger: Records, pipeline: Pipeline, interval: Interval, known_at: datetime
) -> tuple[Evidence, list[RunRecord]]:
    """One interval's evidence by what was known at `known_at`."""
    # The one that serves from now on: a candidate promoted at this interval's own end is not evidence about it.
    ledger = Seen(ledger, known_at)
    champion = champion_at(ledger, interval.start)
    monitored = ledger.latest("monitor", interval=interval.label) if champion else None
    stated = latest_performance(ledger, interval, known_at) if champion else None
    validated = [
        record
        for record in _newest(ledger, "validate", interval.label)
        if record.facts.get("rows_in") is not None
    ]
    labelled = labelled_runs(ledger)
    served, watched = _served(stated, champion), monitored.facts if monitored else {}
    trainings = _trainings(ledger, interval)
    evidence = Evidence(
        interval_start=interval.start,
        interval_end=interval.end,
        history_start=pipeline.start,
        champion=_champion_facts(champion),
        drift=watched.get("drift") or {},
        drift_thresholds=watched.get("drift_thresholds") or {},
        new_categories=watched.get("new_categories") or {},
        unusual=unusual_lines([*validated, *([monitored] if monitored else [])]),
        together=together(watched),
        realised=served.get("metrics", {}),
        expected=served.get("expected", {}),
        slices=_parts(served.get("slices") or ()),
        label_coverage=served.get("label_coverage"),
        quarantined=_quarantined(validated),
        labelled_rows=rows_labelled(labelled, champion.trained_until if champion else None, interval.end),
        window_rows=rows_labelled(labelled, pipeline.train.window.before(interval.end), interval.end),
        intervals_since_training=_intervals_since(trainings, interval),
        trainings=trainings,
        held=_held(_as_decided(ledger, interval), interval.end),
    )
    served_by = (champion.train, champion.evaluate) if champion else ()
    used = (monitored, stated, *served_by, labelled.get(interval.label))
    return evidence, [*(record for record in used if record), *validated]


class _AsDecided(Records):
    """Records without some."""

    def __init__(self, ledger: Records, without: set[str]) -> None:
        self._records = [record for record in ledger.records if record.run_id not in without]

    @property
    def records(self) -> Sequence[RunRecord]:
        return self._records


def _as_decided(ledger: Records, interval: Interval) -> Records:
    """Without what was changed by hand after the interval's decision was taken: to ask again is not to decide anew."""
    records = ledger.records
    first = next((place for place, record in enumerate(records)
                  if _done(record, "retrain") and record.interval == interval.label), len(records))
    return _AsDecided(ledger, {record.run_id for record in records[first:] if record.subject == BY_HAND})


def _held(ledger: Records, moment: datetime) -> str:
    """What keeps a new candidate from serving: a pinned version, a rollout that goes on, or one that ended just now in
    a promotion; empty when nothing does."""
    pinned, challenger = pinned_at(ledger, moment), challenger_at(ledger, moment)
    if pinned is not None:
        return f"v{pinned} is pinned by hand"
    if challenger is not None:
        return challenger.sentence
    promoted = [record for since, record in changes(ledger)
                if since == moment and record.step == "rollout" and record.facts["decision"] == "promote"]
    return f"v{promoted[-1].facts['model_version']} has only now taken over" if promoted else ""


def together(watched: Mapping[str, Any]) -> dict[str, tuple[bool, str]]:
    """The checks on all features at once, from a monitor record's facts."""
    found = {}
    if (joint := watched.get("multivariate")) and joint["high"] is not None:
        found["multivariate"] = (joint["drifted"], f"reconstruction error {joint['error']:.4g}, usually "
                                 f"{joint['low']:.4g} to {joint['high']:.4g}")
    if (domain := watched.get("domain")) and domain.get("high") is not None:
        found["domain_classifier"] = (domain["drifted"], f"area under ROC {domain['area']:.3f}, usually at most "
                                      f"{domain['high']:.3f}")
    if (leans := watched.get("attributions")) and leans.get("gain") is not None:
        found["attributions"] = (leans["drifted"], f"NDCG {leans['gain']:.3f}, at least {LOW:g} is usual")
    return found


def unusual_lines(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """What these runs found unusual, a source's with its name."""
    return tuple(f"{record.subject} {one['text']}".strip() for record in records
                 for one in record.facts.get("unusual") or ())


def _done(record: RunRecord, step: str) -> bool:
    return record.step == step and record.status == "done"


def _newest(ledger: Records, step: str, interval: str) -> list[RunRecord]:
    found = {record.subject: record for record in ledger.records
             if record.step == step and record.interval == interval and record.status != "failed"}
    return [found[subject] for subject in sorted(found)]


def _champion_facts(champion: Champion | None) -> ChampionFacts | None:
    if champion is None:
        return None
    sliced = [
        Part(found["slice_key"], found["slice_value"], found["rows"], _values(found["metrics"]))
        for found in champion.evaluate.facts.get("slices") or ()
        if found["model"] == "candidate"
    ]
    return ChampionFacts(champion.version, champion.trained_until, champion.holdout_metrics, tuple(sliced))


def _values(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found["value"] for name, found in metrics.items()}


def _served(record: RunRecord | None, champion: Champion | None) -> Mapping[str, Any]:
    """What a performance record says of the champion's own predictions."""
    found = record.facts["models"].get(champion.version) if record and champion else None
    return found or {}


def _parts(slices: Any) -> tuple[Part, ...]:
    return tuple(
        Part(
            found["slice_key"],
            found["slice_value"],
            found["rows"],
            found["metrics"],
            found["expected"],
            found["label_coverage"],
        )
        for found in slices
    )


def latest_performance(ledger: Records, interval: Interval, known_at: datetime) -> RunRecord | None:
    """An interval's newest performance record by what was known at `known_at`."""
    found = [
        record
        for record in ledger.records
        if _done(record, "performance")
        and record.interval == interval.label
        and record.subject.removeprefix("known at ") <= f"{known_at:%Y-%m-%dT%H:%M}"
    ]
    return max(found, key=lambda record: record.subject, default=None)


def _quarantined(validated: list[RunRecord]) -> float | None:
    """The share of the interval's raw rows, over all its sources; None without any."""
    rows = sum(int(record.facts["rows_in"] or 0) for record in validated)
    return sum(int(record.facts.get("quarantined") or 0) for record in validated) / rows if rows else None


def labelled_runs(ledger: Records) -> dict[str, RunRecord]:
    """The newest run of each interval that wrote labels."""
    return {record.interval: record for record in ledger.records if _done(record, "featurize")}


def rows_labelled(labelled: Mapping[str, RunRecord], since: datetime | None, until: datetime) -> int:
    """Rows of the labels table in the intervals that end after `since` (None: all) and begin before `until`."""
    after = since.isoformat() if since else ""
    inside = [r for r in labelled.values() if r.interval_end > after and r.interval_start < until.isoformat()]
    return sum(output.rows or 0 for record in inside for output in record.outputs if output.table == "labels")


def _trainings(ledger: Records, interval: Interval) -> tuple[datetime, ...]:
    """The ends of the intervals before this one that trained."""
    gone = undone(ledger.records)
    ends = {datetime.fromisoformat(record.interval_end) for record in ledger.records
            if _done(record, "train") and record.run_id not in gone}  # fmt: skip
    return tuple(sorted(end for end in ends if end < interval.end))


def _intervals_since(trainings: tuple[datetime, ...], interval: Interval) -> int | None:
    """How many intervals lie between the last training before this interval's end and now; None without one."""
    if not trainings:
        return None
    count, here = 0, interval
    while here.end > trainings[-1]:
        count, here = count + 1, here.previous
    return count
