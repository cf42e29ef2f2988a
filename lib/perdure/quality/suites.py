"""Expectation suites as data: read, checked and named without importing Great Expectations (which costs seconds)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

from perdure.core.errors import UsageError
from perdure.core.record import fingerprint
from perdure.core.registry import did_you_mean

Suite = Mapping[str, Any]
Entry = Mapping[str, Any]
Severity = Literal["critical", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
_COLUMN_KEYS = ("column", "column_A", "column_B")
_COLUMN_LIST_KEYS = ("column_list",)


def read(file: Path) -> dict[str, Any]:
    """The suite in a JSON file. Raises UsageError, with file and line, when it isn't one."""
    try:
        suite = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{file}: there is no such suite file") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{file}:{error.lineno}: expected JSON: {error.msg}") from error
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        raise UsageError(f"{file}:1: expected a suite: {{\"name\": ..., \"expectations\": [...]}}")
    return suite


def entries(suite: Suite) -> list[Entry]:
    """The suite's expectations as written."""
    return list(suite.get("expectations", ()))


def severity(entry: Entry) -> Severity:
    """How much a failure matters; critical unless the entry says otherwise."""
    given = entry.get("severity") or "critical"
    return cast(Severity, given) if given in SEVERITIES else "critical"


def columns(entry: Entry) -> tuple[str, ...]:
    """The columns that an entry names, in its order."""
    kwargs = entry.get("kwargs") or {}
    named = [kwargs[key] for key in _COLUMN_KEYS if isinstance(kwargs.get(key), str)]
    listed = [name for key in _COLUMN_LIST_KEYS for name in kwargs.get(key) or ()]
    return tuple(named + [name for name in listed if isinstance(name, str)])


def rule_fingerprint(entry: Entry) -> str:
    """Twelve hex digits that name a rule: its type and kwargs; wording and severity don't change it."""
    return fingerprint({"type": entry.get("type"), "kwargs": entry.get("kwargs") or {}})[:12]


def problems(suite: Suite, schema: Mapping[str, str] | Iterable[str]) -> list[str]:
    """What is wrong with a suite for a table with these columns, one text each; empty when nothing is."""
    names = list(schema)
    found = []
    for index, entry in enumerate(suite.get("expectations", ())):
        where = f"expectations[{index}]"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
            old = " (the key 'expectation_type' is of Great Expectations before 1.0)" if (
                isinstance(entry, Mapping) and "expectation_type" in entry
            ) else ""
            found.append(f"{where}: expected {{\"type\": \"expect_...\", \"kwargs\": {{...}}}}{old}")
            continue
        found += [f"{where} {entry['type']}: {problem}" for problem in _entry_problems(entry, names)]
    return found


@cache
def known_types() -> frozenset[str]:
    """The core expectation types of the installed Great Expectations: the modules that its package `core` lists, by
    name, so nothing is imported."""
    spec = find_spec("great_expectations")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("expectations need the package great-expectations, which isn't installed")
    folder = Path(spec.submodule_search_locations[0], "expectations", "core")
    listed = (folder / "__init__.py").read_text(encoding="utf-8")
    return frozenset(file.stem for file in folder.glob("*.py") if f"{file.stem} import" in listed)


def _entry_problems(entry: Entry, names: list[str]) -> list[str]:
    found = []
    types = known_types()
    if entry["type"] not in types and not _registered(entry["type"]):
        found.append(f"no such expectation{did_you_mean(entry['type'], types)}")
    if entry.get("severity", "critical") not in SEVERITIES:
        found.append(f"severity must be one of {', '.join(SEVERITIES)}, found {entry['severity']!r}")
    kwargs = entry.get("kwargs", {})
    if not isinstance(kwargs, Mapping):
        return [*found, f"kwargs must be a mapping, found {kwargs!r}"]
    if entry["type"] != "expect_column_to_exist":
        found += [
            f"no column '{column}'{did_you_mean(column, names)}; it has: {', '.join(names)}"
            for column in columns(entry)
            if not _exists(column, names)
        ]
    mostly = kwargs.get("mostly")
    if mostly is not None and not (isinstance(mostly, (int, float)) and 0 <= mostly <= 1):
        found.append(f"mostly must be between 0 and 1, found {mostly!r}")
    return found


def _exists(column: str, names: Iterable[str]) -> bool:
    """Whether the column, or the struct that it is a field of, is among the names."""
    plain = column.strip("`")
    return plain in names or plain.split(".")[0] in names


def _registered(name: str) -> bool:
    """Whether a custom expectation of that name has been imported, where Great Expectations is loaded already."""
    import sys

    if "great_expectations" not in sys.modules:
        return False
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    return name in list_registered_expectation_implementations()
