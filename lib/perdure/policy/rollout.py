"""Whether a challenger goes a step further, stays, or leaves: a pure function of what both showed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from perdure.core.config import Rollout
from perdure.core.gate import GateLine

from .evidence import worsened

Action = Literal["advance", "promote", "hold", "rollback"]


@dataclass(frozen=True)
class Side:
    """One model in one interval, on all its rows: the metric realised on `judged` rows, and expected; None unknown."""

    judged: int = 0
    realised: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class Seen:
    """One interval of the present step: both models on the same rows."""

    interval: str
    champion: Side
    challenger: Side


@dataclass(frozen=True)
class Verdict:
    """What to do, why, and a line for each rule."""

    action: Action
    reason: str
    lines: tuple[GateLine, ...]

    @property
    def evidence(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"lines": [asdict(line) for line in self.lines]}


def decide(step: int, seen: Sequence[Seen], rules: Rollout, metric: str) -> Verdict:
    """What becomes of a challenger after the intervals of its present step (place `step` in `rules.steps`).

    It leaves as soon as it is worse than the champion by more than `worse_by`: by the realised metric, or, while too
    few outcomes are known, by the expected one. It goes on when the step has lasted `bake` intervals and its realised
    metric is known and not worse; after the last step it is promoted. Otherwise it stays where it is."""
    realised, weights = _means(seen, "realised")
    judged = min(weights) if realised else 0
    known = realised is not None and judged >= rules.minimum_rows
    expected, _ = _means(seen, "expected")
    lines = [
        _line("realised", metric, realised, rules, severity="critical" if known else "info",
              note=f" on {judged:,} rows" + ("" if known else f" of the {rules.minimum_rows:,} wanted")),
        _line("expected", metric, expected, rules, severity="info" if known or expected is None else "critical"),
        GateLine("intervals at this step", len(seen) >= rules.bake, str(len(seen)), f"at least {rules.bake}", "info"),
    ]
    bad = [line for line in lines if line.severity == "critical" and not line.passed]
    if bad:
        return Verdict("rollback", "; ".join(line.sentence for line in bad), tuple(lines))
    if len(seen) < rules.bake:
        return Verdict("hold", f"the step has lasted {len(seen)} of {rules.bake} intervals", tuple(lines))
    if not known:
        few = f"of {judged:,} rows only" if judged else "of no rows"
        return Verdict("hold", f"the outcome is known {few}, and {rules.minimum_rows:,} are wanted", tuple(lines))
    last = rules.kind == "shadow" or step + 1 >= len(rules.steps)
    fine = f"{metric} is {lines[0].measured}"
    return Verdict("promote" if last else "advance", fine, tuple(lines))


def _means(seen: Sequence[Seen], kind: str) -> tuple[tuple[float, float] | None, tuple[int, int]]:
    """Champion's and challenger's mean over the intervals where both are known, weighted by judged rows where the
    metric is the realised one; and their judged rows."""
    sums, weights, rows = [0.0, 0.0], [0.0, 0.0], [0, 0]
    for each in seen:
        sides = (each.champion, each.challenger)
        values = [getattr(side, kind) for side in sides]
        if None in values:
            continue
        for place, (side, value) in enumerate(zip(sides, values, strict=True)):
            weight = side.judged if kind == "realised" else 1
            sums[place] += weight * value
            weights[place] += weight
            rows[place] += side.judged
    if not all(weights):
        return None, (0, 0)
    return (sums[0] / weights[0], sums[1] / weights[1]), (rows[0], rows[1])


def _line(kind: str, metric: str, means: tuple[float, float] | None, rules: Rollout, *,
          severity: Literal["critical", "info"], note: str = "") -> GateLine:
    bound = f"worse than the champion by {rules.worse_by:.0%} at most"
    if means is None:
        return GateLine(f"{kind} {metric}", True, "not known", bound, "info")
    before, now = means
    loss = worsened(metric, before, now)
    change = f"{abs(loss):.1%} {'worse' if loss > 0 else 'better'}"
    measured = f"{now:.4g} against the champion's {before:.4g}, {change}{note}"
    return GateLine(f"{kind} {metric}", loss <= rules.worse_by, measured, bound, severity)
