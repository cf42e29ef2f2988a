"""Run records: what one run read, wrote, measured and decided. The record is the commit marker of its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from .gate import GateResult

JSON = Any
LARGE = 1500
"""Characters of JSON from which a fact isn't read before it is asked for."""


@dataclass(frozen=True)
class TableVersion:
    """A table pinned to a Delta version; `rows` and `since`/`until` (ISO event times) say what of it was used."""

    table: str
    version: int
    rows: int | None = None
    since: str | None = None
    until: str | None = None

    def meets(self, since: str | None, until: str | None) -> bool:
        """Whether its range has anything in common with [since, until); None is an open end."""
        return (self.since or "") < (until or "9999") and (self.until or "9999") > (since or "")


@dataclass(frozen=True)
class FileVersion:
    """A source file as it was read: its path, bytes and modification time (milliseconds since 1970)."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True)
class Link:
    """A record's place in the ledger's chain (`core.chain`): `previous` are the hashes of the records that it follows
    (more than one where sessions had written side by side), `hash` its own. `older`, on a chain's first records only,
    names what the ledger held before there was a chain."""

    position: int
    session: str
    previous: tuple[str, ...] = ()
    hash: str = ""
    older: tuple[str, ...] = ()


class Facts(Mapping[str, JSON]):
    """A run's facts, of which the large ones are fetched when first asked for. Equal to a dict of them all."""

    def __init__(
        self, known: Mapping[str, JSON], left: tuple[str, ...], fetch: Callable[[], Mapping[str, JSON]]
    ) -> None:
        """`left`: the names of those that only `fetch` knows; it gives all."""
        self._known, self._left, self._fetch = dict(known), frozenset(left), fetch

    def __getitem__(self, name: str) -> JSON:
        """Fetches, where the name is one of those left out."""
        if name in self._left:
            self._known, self._left = dict(self._fetch()), frozenset()
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        """Without fetching."""
        return name in self._known or name in self._left

    def __iter__(self) -> Iterator[str]:
        """The names, without fetching."""
        return iter((*self._known, *sorted(self._left)))

    def __len__(self) -> int:
        """All facts."""
        return len(self._known) + len(self._left)

    def __deepcopy__(self, memo: object) -> dict[str, JSON]:
        """A plain dict of all (this is what `asdict` makes of it)."""
        return dict(self)


@dataclass(frozen=True)
class RunRecord:
    """One run of one step over one interval. `subject` tells runs of the same step apart (a source's name);
    `config` is the part of the pipeline file that the step depends on, `facts` what it measured; times are ISO 8601
    UTC. `known_at` is set where an interval was stated anew after its time: the end of the interval whose rows (late or
    corrected ones) made that necessary; what was decided before doesn't see it. Of `outputs`, those of other intervals
    than the run's own say which of its rows belong there."""

    run_id: str
    pipeline: str
    step: str
    subject: str
    interval: str
    interval_start: str
    interval_end: str
    status: str
    code_version: str
    config: JSON
    seed: int
    started_at: str
    seconds: float
    who: str
    target: str
    inputs: tuple[TableVersion, ...] = ()
    files: tuple[FileVersion, ...] = ()
    outputs: tuple[TableVersion, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, JSON] = field(default_factory=dict)
    gate: GateResult | None = None
    rerun_of: str | None = None
    link: Link | None = None
    known_at: str = ""

    @property
    def since(self) -> str:
        """From when on it can have been known; empty for what has no time."""
        return self.known_at or self.interval_end

    @property
    def elsewhere(self) -> tuple[TableVersion, ...]:
        """The parts of its output that belong to other intervals."""
        return tuple(output for output in self.outputs if output.since not in (None, self.interval_start))

    @property
    def config_fingerprint(self) -> str:
        """Of `config`."""
        return fingerprint(self.config)

    def to_json(self) -> str:
        """One line of JSON; keys sorted, so equal records are equal texts."""
        data = asdict(self)
        data["gate"] = self.gate.to_dict() if self.gate else None
        return json.dumps(data, sort_keys=True, default=str)

    def brief(self) -> str:
        """As `to_json`, but that large facts are only named, under `left_out`: what every session reads of a run."""
        data = json.loads(self.to_json())
        left = sorted(name for name, fact in data["facts"].items() if len(json.dumps(fact)) > LARGE)
        data["facts"] = {name: fact for name, fact in data["facts"].items() if name not in left}
        return json.dumps({**data, "left_out": left}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, fetch: Callable[[], Mapping[str, JSON]] | None = None) -> RunRecord:
        """The inverse of `to_json`; and of `brief`, given what fetches all facts."""
        data = json.loads(text)
        left = data.pop("left_out", ())
        if left and fetch is None:
            raise ValueError(f"this record leaves out {', '.join(left)}, and nothing is given that fetches them")
        if left and fetch is not None:
            data["facts"] = Facts(data["facts"], tuple(left), fetch)
        for name in ("inputs", "outputs"):
            data[name] = tuple(TableVersion(**item) for item in data[name])
        data["files"] = tuple(FileVersion(**item) for item in data["files"])
        data["gate"] = GateResult.from_dict(data["gate"]) if data["gate"] else None
        if data.get("link"):
            link = data["link"]
            data["link"] = Link(**{**link, "previous": tuple(link["previous"]), "older": tuple(link["older"])})
        return cls(**data)


def same_in_brief(text: str, brief: str) -> bool:
    """Whether `brief` says of the record what its full text says, wherever it says anything."""
    whole, short = json.loads(text), json.loads(brief)
    left = set(short.pop("left_out", ()))
    kept = {name: fact for name, fact in whole["facts"].items() if name not in left}
    return bool(left <= whole["facts"].keys() and short == {**whole, "facts": kept})


def fingerprint(value: JSON) -> str:
    """SHA-256 (hex) of a JSON-ready value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
