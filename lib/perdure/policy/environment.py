"""Whether an environment is the one that a model was checked in: a pure function of the facts about both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from perdure.core.config import EnvironmentRules
from perdure.core.gate import GateLine, GateResult, Severity

BROKEN = "does not load"
"""What stands, after its version, for a package that is installed and can't be imported."""
SIZE = ("cluster cores", "executor memory", "driver memory")
"""Facts that are told, and never refused: they change how fast a model scores, not what."""
_PARTS = {"patch": 2, "minor": 1}
_VERSION = re.compile(r"\d+(\.\d+)+")


def compare(blessed: Mapping[str, str], found: Mapping[str, str], rules: EnvironmentRules,
            mode: Literal["enforce", "dry_run", "off"] = "enforce") -> GateResult:
    """A line for each fact that either side knows: what it is here, and what it must be.

    Versions may differ as far as `rules.versions` says, everything else must be equal, but for what `rules.ignore`
    names and for sizes (`SIZE`). A package that doesn't load never passes."""
    severity: Severity = "critical" if mode == "enforce" else "warning"
    lines = []
    for name in [*blessed, *(name for name in found if name not in blessed)]:
        was, here = blessed.get(name, "not there"), found.get(name, "not there")
        free = name in rules.ignore or name in SIZE
        passed = (was == here or _alike(was, here, rules.versions)) and BROKEN not in here
        lines.append(GateLine(name, passed or free, here, was, "info" if free else severity))
    return GateResult("environment", tuple(lines))


def table(result: GateResult) -> str:
    """The differences, a line each: the fact, what it is here, what it was where the model was checked."""
    rows = [("", "here", "checked with"), *((line.rule, line.measured, line.bound) for line in result.failures)]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"  {rule:{first}}  {here:{second}}  {was}".rstrip() for rule, here, was in rows)


def _alike(was: str, here: str, level: str) -> bool:
    """Whether two versions agree in the parts that count."""
    if level == "exact" or not (_VERSION.match(was) and _VERSION.match(here)):
        return False
    count = _PARTS[level]
    return re.split(r"[.+_-]", was)[:count] == re.split(r"[.+_-]", here)[:count]
