"""The life of a model, interval by interval: the steps in their order, each done only where it is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property

from perdure.core.errors import DataGateRefused, EnvironmentMismatch, PerdureError, UsageError
from perdure.core.interval import Interval
from perdure.core.record import RunRecord
from perdure.io.session import require_classic

from . import alerting, approving, blessing, cards, deciding, late, plans, publishing, sourcing
from . import rollout as rollouts
from .champion import Champion, challenger_at, champion_at
from .context import Context
from .engine import Outcome, Plan, command, execute, execute_all
from .feed import land
from .owed import lived

# A training takes as long as the data steps of two or three intervals.
AHEAD = 3


@dataclass
class Tally:
    """What a session did: the records of its runs, and how many were already there."""

    done: list[RunRecord] = field(default_factory=list)
    known: int = 0

    def add(self, context: Context, outcome: Outcome, note: str = "") -> RunRecord:
        """Counts an outcome and tells the terminal of a new one."""
        if outcome.known:
            self.known += 1
        else:
            self.done.append(outcome.record)
            context.progress.ended(outcome.record, note)
        return outcome.record


@dataclass
class Session:
    """One command's work on a pipeline: single steps, whole intervals, or everything that is due."""

    context: Context
    rerun: bool = False
    tally: Tally = field(default_factory=Tally)
    _living: bool = field(default=False, init=False)

    # -- single steps, each also a job ---------------------------------------------------------------------------

    def ingest(self, interval: Interval) -> list[RunRecord]:
        """Every source's files of the interval."""
        land(self.context)
        names = self.context.pipeline.sources
        return self._all([sourcing.ingest(self.context, name, interval, self._hand, anew=self.rerun) for name in names])

    def validate(self, interval: Interval) -> list[RunRecord]:
        """Every source's raw rows of the interval, and earlier intervals again for which it brought rows. Raises
        DataGateRefused when a critical gate line failed."""
        records = self._all([sourcing.validate(self.context, name, interval) for name in self.context.pipeline.sources])
        self._passed(interval, records)
        for moment in (interval, *self._later(interval)):
            self._validate_touched(moment)
        return records

    def _validate_touched(self, moment: Interval) -> None:
        """Earlier intervals with the rows that were known for them at the end of `moment`."""
        for interval, names in late.touched(self.context, moment.end).items():
            some = [sourcing.validate(self.context, name, interval, moment.end) for name in names]
            self._passed(interval, self._all(some, f"stated anew: rows of {interval} came with {moment}"))

    def _passed(self, interval: Interval, records: list[RunRecord]) -> None:
        refused = [record for record in records if record.status == "refused"]
        for record in refused:
            if record.gate:
                self.context.progress.gate(record.gate)
        if refused:
            names = ", ".join(record.subject for record in refused)
            raise DataGateRefused(
                f"{interval}: the data of {names} did not pass the gate. Mend the data or the suite, then run again: "
                f"{command(self.context, 'run', interval)}"
            )

    def featurize(self, interval: Interval) -> RunRecord:
        """Features and labels of the interval, after those of earlier intervals for which it brought rows."""
        self._featurize_touched(interval)
        record = self._one(plans.featurize(self.context, interval))
        for moment in self._later(interval):
            self._featurize_touched(moment)
        return record

    def _featurize_touched(self, moment: Interval) -> None:
        """Features and labels of the earlier intervals, and of those that look back at them."""
        touched = late.touched(self.context, moment.end)
        for interval in next(iter(touched)).through(moment.previous) if touched else ():
            if self.context.ledger.latest("featurize", interval=interval.label):
                self._one(plans.featurize(self.context, interval, moment.end))

    def score(self, interval: Interval) -> RunRecord | None:
        """Predictions by the version that served; None (and a line why) before the first deployment."""
        champion = self._champion(interval, "score")
        if champion is None:
            return None
        challenger = challenger_at(self.context.ledger, interval.start)
        note = f"champion v{champion.version}" + (f"; {challenger.sentence}" if challenger else "")
        record = self._one(plans.score(self.context, interval, champion, challenger), note)
        if self.context.pipeline.explain.reasons:
            self.explain(interval)
        return record

    def explain(self, interval: Interval, top: int | None = None) -> RunRecord | None:
        """Each prediction's `top` reasons (default: as many as the pipeline says, or 3)."""
        champion = self._champion(interval, "explain")
        if champion is None:
            return None
        top = top or self.context.pipeline.explain.reasons or 3
        self._require_classic("explain", interval)
        return self._one(plans.explain(self.context, interval, champion, top), f"champion v{champion.version}")

    def monitor(self, interval: Interval) -> RunRecord | None:
        """Profiles and drift of the interval, its realised performance, and restated that of the previous one and of
        those with late rows."""
        champion = self._champion(interval, "monitor")
        if champion is None:
            return None
        some = self._performance(interval, {interval.previous, interval})
        return self._all([*some, plans.monitor(self.context, interval, champion)])[-1]

    def _performance(self, moment: Interval, intervals: set[Interval]) -> list[Plan]:
        """Of these intervals, and of those that were stated anew with what was known at the end of `moment`."""
        ledger, width = self.context.ledger, moment.width
        anew = {Interval.parse(label, width) for label in late.restated(ledger.records, moment.end)}
        scored = [at for at in sorted(intervals | anew) if ledger.latest("score", interval=at.label)]
        return [plans.performance(self.context, at, moment) for at in scored]

    def rollout(self, interval: Interval) -> RunRecord | None:
        """The challenger's next step, where one is being rolled out."""
        challenger = rollouts.active(self.context, interval)
        if challenger is None:
            return None
        return self._told(execute(self.context, rollouts.rollout(self.context, interval, challenger), rerun=self.rerun))

    def change(self, interval: Interval, action: str, version: str | None, why: str) -> RunRecord:
        """Who serves from the interval's end on, changed by hand."""
        return self._told(execute(self.context, rollouts.by_hand(self.context, interval, action, version, why)))

    def answer(self, interval: Interval, action: str, version: str, why: str) -> RunRecord:
        """A person's yes or no to the candidate that waits; once. Raises EnvironmentMismatch where it can't serve."""
        given = approving.known(self.context.ledger, action, version)
        if given is not None:
            return self._told(Outcome(given, known=True))
        record = self._told(execute(self.context, approving.answer(self.context, interval, action, version, why)))
        if record.status == "refused":
            raise EnvironmentMismatch(f"v{version}: {record.facts['reason']}")
        cards.log(self.context, version)
        return record

    def decide(self, interval: Interval) -> RunRecord:
        """The retrain decision of the interval, with its reason; a challenger's next step, if there is one, before."""
        with deciding.aliases(self.context):
            self.rollout(interval)
            outcome = execute(self.context, deciding.retrain(self.context, interval), rerun=self.rerun)
        facts = outcome.record.facts
        return self.tally.add(self.context, outcome, f"{facts.get('decision', '')}: {facts.get('reason', '')}")

    def train(self, interval: Interval) -> RunRecord:
        """A candidate from what was known at the interval's end, and beside it the check of its newest features for
        leakage. Raises EnvironmentMismatch over Spark Connect."""
        self._require_classic("train", interval)
        wanted = [plans.train(self.context, interval)]
        if "off" not in (self.context.pipeline.gate.mode, self.context.pipeline.gate.leakage.mode):
            wanted.append(plans.leakage(self.context, interval))
        record, *checked = self._all(wanted)
        for each in checked:
            if each.facts.get("rows"):
                self.context.progress.say(f"          warning: {each.facts['reason']}")
        return record

    def evaluate(self, interval: Interval) -> RunRecord:
        """The interval's candidate against thresholds and the champion. A refusal is a record like any other."""
        trained = self._needed("train", interval)
        plan = plans.evaluate(self.context, interval, trained, champion_at(self.context.ledger, interval.start))
        record = self._one(plan)
        if record.gate:
            self.context.progress.gate(record.gate)
        return record

    def deploy(self, interval: Interval) -> RunRecord:
        """The interval's candidate into service, or its refusal put on record."""
        trained, evaluated = self._needed("train", interval), self._needed("evaluate", interval)
        plan = deciding.deploy(self.context, interval, trained, evaluated)
        with deciding.aliases(self.context):
            outcome = execute(self.context, plan, rerun=self.rerun)
        if not outcome.known and not self.context.dry_run:
            cards.log(self.context, str(outcome.record.facts["model_version"]))
        record = self._told(outcome)
        if record.facts.get("decision") == "wait" and not outcome.known:
            self.context.progress.say(f"          {approving.ask(self.context, str(record.facts['model_version']))}")
        return record

    def recheck(self, interval: Interval) -> RunRecord | None:
        """The versions that serve an interval, checked where this session runs, and blessed if that goes well. Raises
        EnvironmentMismatch when it doesn't."""
        ledger, record = self.context.ledger, None
        for each in (champion_at(ledger, interval.start), challenger_at(ledger, interval.start)):
            if each is None:
                continue
            record = self._one(blessing.recheck(self.context, interval, each))
            if self.context.dry_run:
                continue
            if record.status != "done":
                raise EnvironmentMismatch(f"v{each.version} can't score here: {record.facts['reason']}")
            found = record.facts["blessing"]
            self.context.progress.say(
                f"          v{each.version} is blessed for this environment: {record.facts['reason']}; "
                f"{found.get('rows_per_second', 0):,} rows a second by {found.get('scored_by', '?')}")
        if record is None:
            self.context.progress.say(f"          nothing to check: no version serves {interval}")
        return record

    def retrain(self, interval: Interval) -> RunRecord:
        """The decision, and train to deploy when it says so."""
        decision = self.decide(interval)
        if decision.facts.get("decision") == "train":
            self.train(interval)
            self.evaluate(interval)
            self.deploy(interval)
        return decision

    def alert(self, interval: Interval) -> RunRecord | None:
        """Tells of what has changed in the interval, where the pipeline says whom; once."""
        alerts = self.context.pipeline.alerts
        return None if alerts is None else self._one(alerting.alert(self.context, interval, alerts))

    def publish(self, interval: Interval) -> RunRecord | None:
        """Sends the interval's predictions, drift and decisions where the pipeline says; at least once."""
        config = self.context.pipeline.publish
        return None if config is None else self._one(publishing.publish(self.context, interval, config))

    # -- whole intervals -----------------------------------------------------------------------------------------

    def live(self, intervals: Sequence[Interval]) -> None:
        """Everything that is due in these intervals, in their order. While the models of one are at work, the data of
        the next `AHEAD` are made ready: they depend on no model, and no step sees rows later than its own interval. One
        is landed while the features of the one before are made."""
        if self.context.dry_run:
            for interval in intervals:
                self.context.progress.heading(f"{interval}")
                self._preview(interval)
            return
        self._living = True
        restates = any(source.late == "upsert" for source in self.context.pipeline.sources.values())
        landed: Future[None] | None = None
        ready: Future[None] | None = None
        with ThreadPoolExecutor(2) as threads:
            ahead: deque[Future[None]] = deque()
            try:
                for number, interval in enumerate(intervals):
                    for following in intervals[number + len(ahead) : number + 1 + AHEAD]:
                        # Late rows state earlier intervals anew, and nobody may be reading those.
                        landed = threads.submit(self._land, following, ready if restates else landed)
                        ready = threads.submit(self._build, following, landed, ready)
                        ahead.append(ready)
                    self._live(interval, ahead.popleft())
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        self._restate(intervals)

    def _restate(self, lived: Sequence[Interval]) -> None:
        """What rows of earlier intervals made due and no interval that was lived here has done."""
        if self._hand is None:
            return
        moments = {self._hand, *late.later(self.context, lived)}
        for moment in sorted(moments - set(lived)):
            self._validate_touched(moment)
            self._featurize_touched(moment)
            self._all(self._performance(moment, set()))

    def _live(self, interval: Interval, ready: Future[None]) -> None:
        """An interval whose data steps are `ready` or about to be."""
        try:
            ready.result()
        except DataGateRefused:
            self.alert(interval)
            raise
        self.score(interval)
        self.monitor(interval)
        self.retrain(interval)
        self.publish(interval)
        self.alert(interval)
        if any(record.interval == interval.label for record in self.tally.done):
            self.context.progress.heading(f"{interval} lived")

    def _land(self, interval: Interval, before: Future[None] | None) -> None:
        """An interval's rows, ingested and validated; not where what is to be done `before` failed."""
        if before is not None:
            before.result()
        self.ingest(interval)
        self.validate(interval)

    def _build(self, interval: Interval, landed: Future[None], before: Future[None] | None) -> None:
        """An interval's features, once its rows are there and the features of the one `before` are made."""
        landed.result()
        if before is not None:
            before.result()
        self.featurize(interval)

    def _preview(self, interval: Interval) -> None:
        """What a run would do, as far as it can be told without doing it."""
        self.ingest(interval)
        if not self.tally.done:
            self.validate(interval)
        if not self.tally.done:
            self.featurize(interval)
        if self.tally.done:
            self.context.progress.say("          ... and whatever follows from these")
            return
        self.score(interval)
        self.monitor(interval)
        self.decide(interval)

    @cached_property
    def _hand(self) -> Interval | None:
        """The first interval that has not been lived; None where no source takes late rows, as nothing asks for it."""
        pipeline, ledger = self.context.pipeline, self.context.ledger
        if all(source.late != "upsert" for source in pipeline.sources.values()):
            return None
        interval = Interval.containing(pipeline.start, pipeline.interval)
        while lived(pipeline, ledger, interval):
            interval = interval.next
        return interval

    def _later(self, interval: Interval) -> list[Interval]:
        """The intervals that brought rows for this one and aren't lived in this session, which would state it anew."""
        return [] if self._living else late.later(self.context, [interval])

    def _champion(self, interval: Interval, step: str) -> Champion | None:
        champion = champion_at(self.context.ledger, interval.start)
        if champion is None:
            self.context.progress.say(f"          nothing to {step} in {interval}: no champion serves yet")
        return champion

    def _require_classic(self, step: str, interval: Interval) -> None:
        """Raises EnvironmentMismatch, before anything starts, where a step that is to be done can't be done here."""
        if self.rerun or self.context.ledger.latest(step, interval=interval.label) is None:
            require_classic(f"{step} of {interval}")

    def _needed(self, step: str, interval: Interval) -> RunRecord:
        found = self.context.ledger.latest(step, interval=interval.label)
        if found is None:
            raise PerdureError(
                f"{interval} has no completed {step} run yet; start it with: {command(self.context, step, interval)}"
            )
        return found

    def _one(self, plan: Plan, note: str = "") -> RunRecord:
        return self.tally.add(self.context, execute(self.context, plan, rerun=self.rerun), note)

    def _told(self, outcome: Outcome) -> RunRecord:
        facts = outcome.record.facts
        note = f"{facts.get('decision', '')} v{facts.get('model_version', '?')}: {facts.get('reason', '')}"
        return self.tally.add(self.context, outcome, note)

    def _all(self, some: list[Plan], note: str = "") -> list[RunRecord]:
        outcomes = execute_all(self.context, some, rerun=self.rerun)
        return [self.tally.add(self.context, outcome, note) for outcome in outcomes]


def due(context: Context, first: str | None = None, last: str | None = None) -> Iterator[Interval]:
    """The pipeline's complete intervals, from its start (or `first`) to its end, or now (or through `last`)."""
    pipeline = context.pipeline
    width = pipeline.interval
    begin = Interval.parse(first, width) if first else Interval.containing(pipeline.start, width)
    if last:
        final = Interval.parse(last, width)
    else:
        end = min(pipeline.end or datetime.max.replace(tzinfo=timezone.utc), datetime.now(timezone.utc))
        final = Interval.containing(end, width).previous
    if final.start < begin.start:
        raise UsageError(f"no complete interval between {begin} and {final.end:%Y-%m-%dT%H:%M}")
    return begin.through(final)


def latest_due(context: Context) -> Interval:
    """The last complete interval: what a step without --interval works on."""
    return list(due(context))[-1]
