"""The model gate's lines on leakage: a pure function of what a training's leakage check found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perdure.core.config import Gate
from perdure.core.gate import GateLine, Severity

_NAMED = 3


def lines(gate: Gate, alone: Mapping[str, float], recomputed: Mapping[str, Any] | None) -> list[GateLine]:
    """No line where nothing is looked for. `alone`: feature to how far it alone tells the label, 0 to 1. `recomputed`:
    the facts of the check (cut, compared, rows, columns); None where it wasn't run."""
    if "off" in (gate.mode, gate.leakage.mode):
        return []
    severity: Severity = "critical" if gate.mode == gate.leakage.mode == "enforce" else "warning"
    found = []
    if recomputed is not None:
        rows, compared = int(recomputed["rows"]), int(recomputed["compared"])
        where = f" ({_listed(recomputed['columns'], '{:,}')})" if rows else ""
        found.append(GateLine("features as of an earlier time", rows == 0,
                              f"{rows:,} of {compared:,} rows differ{where}",
                              f"the same when computed from what was known at {recomputed['cut'][:16]}", severity))
    if alone:
        limit = gate.leakage.alone
        above = {name: share for name, share in alone.items() if share > limit} or dict(list(alone.items())[:1])
        found.append(GateLine("what one feature alone tells of the label", max(alone.values()) <= limit,
                              _listed(above, "{:.2f}"), f"at most {limit:g} of 1", severity))
    return found


def _listed(values: Mapping[str, Any], form: str) -> str:
    shown = [f"{name} {form.format(value)}" for name, value in list(values.items())[:_NAMED]]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
