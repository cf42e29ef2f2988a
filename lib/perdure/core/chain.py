"""The ledger's hash chain: what makes a changed, removed or inserted record show.

Each record carries a SHA-256 over its own content, the hashes of the records that it follows among it. A session
follows whatever nobody follows yet when it opens the ledger, then its own last record; so sessions that write side by
side fork the chain, and the next one joins it again. Like any chain without a secret it can't tell that its end was
cut off, or that someone rewrote everything: keep the head that `verify` gives somewhere else, and hand it in as
`anchor`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from .record import Link, RunRecord, same_in_brief

# How long after its end a record may come to the table; also what two machines' clocks may differ by.
_SLACK = timedelta(minutes=10)
_COLUMNS = ("run_id", "pipeline", "step", "subject", "interval", "status", "started_at", "seconds")
Kind = Literal["changed", "removed", "inserted"]


def digest(text: str) -> str:
    """The hash of a record's JSON, its own hash left out; the order of keys and spaces don't count."""
    data = json.loads(text)
    if data.get("link"):
        data["link"]["hash"] = ""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


class Chain:
    """The end of a ledger's chain, for one session that writes on."""

    def __init__(self, texts: Iterable[str]) -> None:
        """`texts`: the JSON of every record that is stored; in brief will do for those that have a place."""
        places: dict[str, int] = {}
        followed: set[str] = set()
        older = []
        for text in texts:
            data = json.loads(text)
            if data.get("link") is None:
                older.append(_short(data["run_id"], text))
            else:
                places[data["link"]["hash"]] = data["link"]["position"]
                followed.update(data["link"]["previous"])
        self._heads = tuple(sorted(set(places) - followed))
        self._position = max((places[name] for name in self._heads), default=-1)
        self._older = () if places else tuple(sorted(older))
        self._session = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"

    def add(self, record: RunRecord) -> RunRecord:
        """The record with its place in the chain, which now ends with it."""
        link = Link(self._position + 1, self._session, self._heads, "", self._older)
        own = digest(replace(record, link=link).to_json())
        self._heads, self._position, self._older = (own,), link.position, ()
        return replace(record, link=replace(link, hash=own))


@dataclass(frozen=True)
class Problem:
    """What isn't as it was written: which record (its run id, and a name for people), and how that shows."""

    kind: Kind
    position: int
    run_id: str
    name: str
    why: str


@dataclass(frozen=True)
class Verified:
    """What a verification found: `records` in all, `unchained` older ones, `sessions`, `forks` (how often one wrote
    beside another), the chain's `heads`, and the problems, first record first."""

    records: int
    unchained: int
    sessions: int
    forks: int
    heads: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Stored:
    record: RunRecord
    text: str

    @property
    def link(self) -> Link:
        assert self.record.link is not None, "only chained records are asked"
        return self.record.link

    @property
    def ended(self) -> datetime:
        return datetime.fromisoformat(self.record.started_at) + timedelta(seconds=self.record.seconds)

    def problem(self, kind: Kind, why: str) -> Problem:
        r = self.record
        position = r.link.position if r.link else -1
        return Problem(kind, position, r.run_id, " ".join(filter(None, (r.step, r.subject, r.interval))), why)


def verify(rows: Sequence[Mapping[str, Any]], *, anchors: Iterable[str] = ()) -> Verified:
    """Checks every record of the table `runs` (its columns as a mapping a row) and the chain between them.

    `anchors`: hashes that must be in the chain, from places that whoever changed the table couldn't reach."""
    problems: list[Problem] = []
    stored: list[_Stored] = []
    for row in rows:
        found = _parsed(row)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            stored.append(found)
            problems += _columns(found, row)
    chained = sorted((each for each in stored if each.record.link), key=lambda each: each.link.position)
    unchained = [each for each in stored if each.record.link is None]
    problems += _contents(chained) + _order(chained) + _older(chained, unchained) + _forks(chained)
    known = {each.link.hash for each in chained}
    problems += [Problem("removed", len(rows), "", "the ledger's end",
                         f"it once ended with {name[:16]}, which is gone: the last records were removed or changed")
                 for name in anchors if name not in known]  # fmt: skip
    followed = Counter(name for each in chained for name in each.link.previous)
    starts = sum(not each.link.previous for each in chained)
    return Verified(
        len(rows), len(unchained), len({each.link.session for each in chained}),
        sum(count - 1 for count in followed.values()) + max(starts - 1, 0),
        tuple(sorted(known - set(followed))), tuple(sorted(problems, key=lambda each: each.position)),
    )  # fmt: skip


def _parsed(row: Mapping[str, Any]) -> _Stored | Problem:
    """A row's record."""
    name = " ".join(str(row[column]) for column in ("step", "subject", "interval") if row[column])
    try:
        record = RunRecord.from_json(row["record"])
    except (ValueError, TypeError, KeyError) as error:
        return Problem("changed", -1, str(row["run_id"]), name, f"its text is no record any more: {error}")
    return _Stored(record, row["record"])


def _columns(found: _Stored, row: Mapping[str, Any]) -> list[Problem]:
    """A row's columns must say what its record says."""
    apart = [column for column in _COLUMNS if row[column] != getattr(found.record, column)]
    if row.get("brief") is not None and not _alike(found.text, row["brief"]):
        apart.append("brief")
    return [found.problem("changed", f"its column {apart[0]} says otherwise than its record")] if apart else []


def _alike(text: str, brief: str) -> bool:
    try:
        return same_in_brief(text, brief)
    except (ValueError, TypeError, KeyError):
        return False


def _contents(chained: Sequence[_Stored]) -> list[Problem]:
    return [each.problem("changed", "its content doesn't give its hash")
            for each in chained if digest(each.text) != each.link.hash]  # fmt: skip


def _order(chained: Sequence[_Stored]) -> list[Problem]:
    """Every record follows records that are there, by one place; no record is there twice."""
    places = {each.link.hash: each.link.position for each in chained}
    found, seen = [], set()
    for each in chained:
        link = each.link
        gone = [name for name in link.previous if name not in places]
        if link.hash in seen:
            found.append(each.problem("inserted", "it is there twice"))
        elif gone:
            found.append(each.problem("removed", f"the record before it, {gone[0][:16]}, is gone or was changed"))
        elif link.position != 1 + max((places[name] for name in link.previous), default=-1):
            found.append(each.problem("inserted", "it doesn't have the place after the record that it follows"))
        seen.add(link.hash)
    return found


def _older(chained: Sequence[_Stored], unchained: Sequence[_Stored]) -> list[Problem]:
    """The records from before the chain, against what its beginning says of them. Without a chain nothing is known."""
    noted = {name for each in chained for name in each.link.older}
    if not chained:
        return []
    there = {_short(each.record.run_id, each.text): each for each in unchained}
    ids = {name.partition(":")[0] for name in noted}
    found = [each.problem("changed" if each.record.run_id[:12] in ids else "inserted",
                          "it has no place in the chain, and the chain's beginning doesn't name it as it is")
             for name, each in there.items() if name not in noted]  # fmt: skip
    left = {name.partition(":")[0] for name in there}
    gone = sorted(name.partition(":")[0] for name in noted if name.partition(":")[0] not in left)
    return found + [Problem("removed", -1, run, "an older record", "the chain's beginning names it") for run in gone]


def _forks(chained: Sequence[_Stored]) -> list[Problem]:
    """A session doesn't fork itself, and follows no record that had a follower when it opened the ledger."""
    children: dict[str, list[_Stored]] = {}
    for each in chained:
        for name in each.link.previous or ("",):
            children.setdefault(name, []).append(each)
    found = []
    for siblings in children.values():
        for each in siblings:
            others = [other for other in siblings if other is not each and other.link.hash != each.link.hash]
            mine = [other for other in others if other.link.session == each.link.session]
            if mine and each.ended > mine[0].ended:
                found.append(each.problem("inserted", f"run {mine[0].record.run_id[:12]} has its place already"))
            elif any(other.ended + _SLACK < _opened(each.link.session) for other in others):
                found.append(each.problem("inserted", "when its session began, another record had its place already"))
    return found


def _opened(session: str) -> datetime:
    try:
        return datetime.strptime(session[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.max.replace(tzinfo=timezone.utc)


def _short(run_id: str, text: str) -> str:
    return f"{run_id[:12]}:{digest(text)[:16]}"
