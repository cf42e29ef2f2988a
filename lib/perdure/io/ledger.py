"""The ledger: every run's record, appended last. A record's presence means that its run is complete."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from perdure.core.chain import Chain
from perdure.core.protocols import Read
from perdure.core.record import RunRecord

from .tables import Tables

_SCHEMA = (
    "run_id string, pipeline string, step string, subject string, interval string, status string, "
    "started_at string, seconds double, record string, brief string"
)
_FEW = 3  # runs whose large facts are fetched one by one; then all of them at once

# What the metadata of a commit begin with that names the chain's head after it, and the pipeline.
HEAD = "perdure ledger "
# So many seconds a record waits for others to share its commit, which costs as much as a small query.
GATHER = 2.0


# Of the runs of one place, the last one's outcome stands: step, subject, interval, and as of when (`known_at`).
Place = tuple[str, str, str, str]


def place_of(record: RunRecord) -> Place | None:
    """A run's place; None for one that failed, and for what was brought from another target."""
    if record.status == "failed" or "imported_from" in record.facts:
        return None
    return record.step, record.subject, record.interval, record.known_at


class Records:
    """Run records to look things up in."""

    @property
    def records(self) -> Sequence[RunRecord]:
        """All records, oldest first."""
        raise NotImplementedError

    def get(self, run_id: str) -> RunRecord | None:
        """The record of a completed run (or a refused one); failed runs don't count."""
        return next((each for each in self.records if each.run_id == run_id and each.status != "failed"), None)

    def standing(self, run_id: str, place: Place) -> RunRecord | None:
        """The record by which a run is done: its own, or its rerun's. None where another run of its place came after
        it, with other inputs, configuration or code: that one's outcome stands, and what this one wrote is replaced."""
        record, newest = self.get(run_id), self._newest(place)
        if record is None or newest is None or newest.run_id == run_id:
            return record
        return newest if newest.rerun_of == run_id else None

    def _newest(self, place: Place) -> RunRecord | None:
        return next((each for each in reversed(self.records) if place_of(each) == place), None)

    def producers(self, wish: Read) -> list[RunRecord]:
        """The runs whose rows `wish` will see: the newest of each (subject, interval) that wrote to the table and
        overlaps the wish's range, oldest interval first."""
        newest: dict[tuple[str, str], RunRecord] = {}
        since, until = (time.isoformat() if time else None for time in (wish.since, wish.until))
        for record in self.records:
            fed = (output for output in record.outputs if output.table == wish.table)
            if record.status == "done" and any(output.meets(since, until) for output in fed):
                newest[(record.subject, record.interval)] = record
        return sorted(newest.values(), key=lambda record: (record.interval_start, record.subject, record.run_id))

    def latest(self, step: str, *, subject: str = "", interval: str | None = None) -> RunRecord | None:
        """The newest completed run of a step (of one interval, where given)."""
        found = (
            record
            for record in reversed(self.records)
            if record.step == step and record.subject == subject and record.status != "failed"
        )
        return next((record for record in found if interval in (None, record.interval)), None)


class Seen(Records):
    """The records that could be known at a moment: neither those of later intervals, nor what they stated anew."""

    def __init__(self, ledger: Records, moment: datetime) -> None:
        """The records that `ledger` holds now."""
        until = moment.isoformat()
        self._records = [record for record in ledger.records if record.since <= until]

    @property
    def records(self) -> Sequence[RunRecord]:
        """Oldest first."""
        return self._records


class Ledger(Records):
    """The `runs` table and its copy in memory. Appends happen in order on one thread behind the work, the records of
    `GATHER` seconds in one commit; `close` stores what waits. A run whose record was lost with the process is simply
    done again: its writes know their run id."""

    def __init__(self, spark: SparkSession, tables: Tables, pipeline: str) -> None:
        """Loads the pipeline's records, oldest first."""
        self._spark, self._tables, self._pipeline = spark, tables, pipeline
        self._records: dict[str, RunRecord] = {}
        self._last: dict[Place, RunRecord] = {}
        self._lock = threading.Lock()
        self._queue: list[RunRecord] = []
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._pending: list[Future[None]] = []
        self._broken = False
        self._closing = threading.Event()
        self._fetched: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._fetches = 0
        rows = self._texts()
        for run_id, started_at, text in rows:
            self._remember(RunRecord.from_json(text, partial(self._facts, run_id, started_at)))
        self._chain = Chain(text for _, _, text in rows)

    def __enter__(self) -> Ledger:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Waits until every record is stored."""
        self.close()

    @property
    def records(self) -> Sequence[RunRecord]:
        """All records, oldest first."""
        with self._lock:
            return tuple(self._records.values())

    def get(self, run_id: str) -> RunRecord | None:
        """The record of a completed run (or a refused one); failed runs don't count."""
        with self._lock:
            record = self._records.get(run_id)
        return record if record is not None and record.status != "failed" else None

    def _newest(self, place: Place) -> RunRecord | None:
        with self._lock:
            return self._last.get(place)

    def stored(self) -> list[Mapping[str, Any]]:
        """The pipeline's rows of the table as they are now, repeats and failed runs too: what an audit verifies."""
        rows = self._runs()
        return [] if rows is None else [row.asDict() for row in rows.orderBy("started_at").collect()]

    def append(self, record: RunRecord) -> RunRecord:
        """Stores a record, and gives it with its place in the chain. Errors of the writing thread are raised by the
        next call, or by `close`."""
        with self._lock:
            record = self._chain.add(record)
            self._remember(record)
            self._queue.append(record)
            done = [future for future in self._pending if future.done()]
            self._pending = [future for future in self._pending if not future.done()]
            self._pending.append(self._worker.submit(self._flush))
        for future in done:
            future.result()
        return record

    def adopt(self, records: Iterable[RunRecord]) -> None:
        """Takes over another target's records: they are known here, but not stored here."""
        with self._lock:
            for record in records:
                self._remember(record)

    def close(self) -> None:
        """Waits until every record is stored. Raises what kept one from it."""
        self._closing.set()
        self._worker.shutdown(wait=True)
        for future in self._pending:
            future.result()
        self._pending = []

    def _remember(self, record: RunRecord) -> None:
        self._records.pop(record.run_id, None)
        self._records[record.run_id] = record
        place = place_of(record)
        if place is not None:
            self._last[place] = record

    def _texts(self) -> list[tuple[str, str, str]]:
        """Run id, start and record of every row, oldest first: in brief, or whole where an older version wrote it. The
        column of whole records, ten times as large, is read of those alone."""
        rows = self._runs()
        if rows is None:
            return []
        named = ("run_id", "started_at")
        if "brief" not in rows.columns:
            return [tuple(row) for row in rows.orderBy("started_at").select(*named, "record").collect()]
        found = [tuple(row) for row in rows.orderBy("started_at").select(*named, "brief").collect()]
        short = [row for row in found if row[-1] is not None]
        if len(short) == len(found):
            return found
        whole = rows.where("brief IS NULL").orderBy("started_at").select(*named, "record").collect()
        return sorted([*(tuple(row) for row in whole), *short], key=lambda row: str(row[1]))

    def _facts(self, run_id: str, started_at: str) -> Mapping[str, Any]:
        """All facts of a stored run. One run is found by its time, in the one file that holds it; who asks for many
        gets them in one read."""
        key, rows = (run_id, started_at), self._runs()
        if key not in self._fetched:
            assert rows is not None, "who leaves something out has been stored"
            self._fetches += 1
            if self._fetches <= _FEW:
                rows = rows.where((F.col("started_at") == started_at) & (F.col("run_id") == run_id))
            for row in rows.select("run_id", "started_at", "record").collect():
                self._fetched[(row[0], row[1])] = json.loads(row[2])["facts"]
        return self._fetched[key]

    def _runs(self) -> DataFrame | None:
        """The pipeline's rows of the table."""
        if not self._tables.exists("runs"):
            return None
        return self._tables.read(Read("runs")).where(F.col("pipeline") == self._pipeline)

    def _flush(self) -> None:
        """Stores what waits. After a failure nothing more: a record must not be stored without its predecessor."""
        if self._queue:
            self._closing.wait(GATHER)
        with self._lock:
            batch, self._queue = self._queue, []
        if batch and not self._broken:
            self._broken = True
            self._write(batch)
            self._broken = False

    def _write(self, batch: Sequence[RunRecord]) -> None:
        rows = [
            (
                r.run_id,
                r.pipeline,
                r.step,
                r.subject,
                r.interval,
                r.status,
                r.started_at,
                r.seconds,
                r.to_json(),
                r.brief() if r.link else None,
            )
            for r in batch
        ]
        last = batch[-1].link
        note = f"{HEAD}{self._pipeline} {last.hash}" if last else ""
        self._tables.append_records("runs", self._spark.createDataFrame(rows, _SCHEMA).coalesce(1), note)
