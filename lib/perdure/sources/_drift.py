"""A file's columns held against the declared ones, and what the source's policy makes of each change."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.registry import did_you_mean

_WIDER = {
    "tinyint": ("smallint", "int", "bigint", "float", "double"),
    "smallint": ("int", "bigint", "float", "double"),
    "int": ("bigint", "double"),
    "float": ("double",),
    "timestamp_ntz": ("timestamp",),
}
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_SAME = {"integer": "int", "long": "bigint"}
_SHOWN = 80
_ALIKE = 0.8  # how near two names must be for one to be the other, renamed


@dataclass(frozen=True)
class Change:
    """One way in which a file's columns aren't the declared ones. `kind`: a key of `schema_changes`; `text`: in words;
    `policy`: what became of it."""

    kind: str
    column: str
    text: str
    policy: str
    file: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Agreed:
    """How a file is read. `names`: its columns in their order, by their declared names where they have one. `extra`:
    those that were added (name: SQL type). `widened`: declared columns that the file has in a wider type. `reject`: why
    all its rows are rejected, or None."""

    names: tuple[str, ...]
    extra: Mapping[str, str] = field(default_factory=dict)
    widened: tuple[str, ...] = ()
    reject: str | None = None


@dataclass(frozen=True)
class Found:
    """A file's columns as they were found: its path, the line that names them, the names, and the SQL types of those
    that have one there. `complete`: an absent column is missing (else null). `wider`, `narrower`: columns whose type
    is. `ordered`: their order means something."""

    path: str
    line: int
    names: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    ordered: bool = True


def agree(found: Found, config: Source, changes: list[Change] | None = None) -> Agreed:
    """What the policies make of a file's columns; each change is put on `changes`. Raises SourceError, with file, line,
    every wrong name and the nearest right one, when a policy says `fail`, when no column is a declared one, and when a
    column stands there twice."""
    declared = config.columns
    if found.complete and not set(found.names) & set(declared):
        shown = ", ".join(found.names)[:_SHOWN]
        raise SourceError(
            f"{found.path}:{found.line}: expected a header with {', '.join(declared)}; found {shown!r}. For a file "
            "without a header set the option header: false"
        )
    missing = [name for name in declared if name not in found.names] if found.complete else []
    added = [name for name in dict.fromkeys(found.names) if name not in declared]
    renamed = _renamed(missing if found.complete else [n for n in declared if n not in found.names], added)
    noted = [
        *(Change("renamed", new, f"column '{new}' is '{old}' under another name", "", "")
          for new, old in renamed.items()),
        *(Change("missing", name, f"declared column '{name}' is missing", "", "")
          for name in missing if name not in renamed.values()),
        *(Change("added", name, f"column '{name}' isn't declared", "", "") for name in added if name not in renamed),
        *_types(found, declared, renamed),
        *_order(found, declared, renamed),
    ]  # fmt: skip
    policies = {**config.schema_changes.model_dump(), "other": "fail"}
    settled = [Change(one.kind, one.column, one.text, policies[one.kind], found.path) for one in noted]
    twice = [name for name in dict.fromkeys(found.names) if found.names.count(name) > 1]
    _refuse(found, declared, (missing, added), settled, twice)
    if changes is not None:
        changes += settled
    why = "; ".join(f"{one.text} (schema_changes: {one.kind})" for one in settled if one.policy == "quarantine")
    return Agreed(
        tuple(renamed.get(name, name) for name in found.names),
        {name: found.types.get(name, "string") for name in added if name not in renamed},
        tuple(one.column for one in settled if one.kind == "widened"),
        why or None,
    )


def _renamed(missing: Sequence[str], added: Sequence[str]) -> dict[str, str]:
    """New name to declared name, the likeliest pairs first, each name once."""
    pairs = sorted(
        ((_likeness(new, old), new, old) for new in added for old in missing), key=lambda one: (-one[0], one[1:])
    )
    found: dict[str, str] = {}
    for likeness, new, old in pairs:
        if likeness >= _ALIKE and new not in found and old not in found.values():
            found[new] = old
    return found


def _likeness(one: str, other: str) -> float:
    """1 for names that differ in case, spaces and marks alone."""
    bare = ["".join(letter for letter in name.casefold() if letter.isalnum()) for name in (one, other)]
    return 1.0 if bare[0] and bare[0] == bare[1] else difflib.SequenceMatcher(None, one, other).ratio()


def _types(found: Found, declared: Mapping[str, str], renamed: Mapping[str, str]) -> list[Change]:
    changes = []
    for name, kind in found.types.items():
        wanted = declared.get(renamed.get(name, name))
        if wanted is None or plain(kind) == plain(wanted):
            continue
        column = renamed.get(name, name)
        way = "narrowed" if fits(kind, wanted) else "widened" if fits(wanted, kind) else "other"
        text = f"{column}: expected {wanted}, found {kind}"
        changes.append(Change(way, column, text, "", ""))
    return changes


def _order(found: Found, declared: Mapping[str, str], renamed: Mapping[str, str]) -> list[Change]:
    names = [name for one in found.names if (name := renamed.get(one, one)) in declared]
    if not found.ordered or names == [name for name in declared if name in names]:
        return []
    return [Change("reordered", "", f"the columns stand in another order: {', '.join(names)}", "", "")]


def _refuse(
    found: Found,
    declared: Mapping[str, str],
    wrong: tuple[Sequence[str], Sequence[str]],
    settled: Sequence[Change],
    twice: Sequence[str],
) -> None:
    failing = [one for one in settled if one.policy == "fail"]
    if not failing and not twice:
        return
    missing, added = wrong
    problems = [f"column '{name}' stands there twice" for name in twice]
    named = {one.kind for one in failing} & {"added", "missing", "renamed"}
    if named:
        problems += [f"declared column '{name}' is missing{did_you_mean(name, added)}" for name in missing]
        near = [name for name in declared if name not in found.names]
        problems += [f"column '{name}' isn't declared{did_you_mean(name, near)}" for name in added]
    types = [one for one in failing if one.kind in ("widened", "narrowed", "other")]
    problems += [one.text for one in types] + [one.text for one in failing if one.kind == "reordered"]
    allowed = ", ".join(sorted({one.kind for one in failing} - {"other"}))
    hint = f". Declare what the file has, or allow it (schema_changes: {allowed})" if allowed else (
        ". Declare the type that the file has, or write the file anew" if types else ""
    )  # fmt: skip
    where = f"{found.path}" if types and not named and not twice else f"{found.path}:{found.line}"
    raise SourceError(f"{where}: {'; '.join(problems)}. Declared: {', '.join(declared)}{hint}")


def plain(kind: str) -> str:
    """An SQL type as Spark writes it."""
    return _SAME.get(kind, kind).replace(" ", "")


def fits(found: str, wanted: str) -> bool:
    """Whether every value of the type `found` is one of the type `wanted`."""
    found, wanted = plain(found), plain(wanted)
    if found == wanted or wanted in _WIDER.get(found, ()):
        return True
    target, source = _DECIMAL.fullmatch(wanted), _DECIMAL.fullmatch(found)
    if target is None:
        return False
    precision, scale = int(target[1]), int(target[2])
    if source is not None:
        return scale >= int(source[2]) and precision - scale >= int(source[1]) - int(source[2])
    return found in _DIGITS and precision - scale >= _DIGITS[found]
