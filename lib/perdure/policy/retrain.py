"""When to train anew: a pure function of the evidence and the pipeline file. "No" comes with its reason too."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, is_dataclass, replace
from datetime import datetime
from typing import Any

from perdure.core.conditions import Retrain
from perdure.core.config import Train
from perdure.core.gate import GateLine

from .conditions import Verdict, judge
from .evidence import ChampionFacts, Evidence, Part

__all__ = ["ChampionFacts", "Decision", "Evidence", "Part", "decide"]


@dataclass(frozen=True)
class Decision:
    """Whether a training is due, one sentence or two that say why, a line for each rule, and what was looked at
    (JSON-ready, the lines included)."""

    due: bool
    reason: str
    lines: tuple[GateLine, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)


def decide(evidence: Evidence, retrain: Retrain, train: Train) -> Decision:
    """Whether to train at the interval's end.

    Without a champion a training is due as soon as the history is as long as `train.minimum` (else `train.window`);
    with one, when `retrain.when` holds. Either way not in the `cooldown` intervals after a training, not before the
    window holds `minimum_rows` labelled rows, not beyond the `budget`, and not while a candidate could not serve (a
    rollout under way, a pinned version). Those can only turn a yes into a no.
    """
    verdict = _first(evidence, train) if evidence.champion is None else _again(evidence, retrain)
    asked = (_cooldown(evidence, retrain), _rows(evidence, retrain), _budget(evidence, retrain), _held(evidence))
    limits = [limit for limit in asked if limit is not None]
    lines = (*verdict.lines, *(line for limit in limits for line in limit.lines))
    against = [limit.because for limit in limits if not limit.holds]
    due = verdict.holds and not against
    but = f"; but {' and '.join(against)}" if verdict.holds and against else ""
    told = {name: value for name, value in _plain(replace(evidence, earlier=())).items() if name != "earlier"}
    seen = {**told, "lines": [asdict(line) for line in lines]}
    return Decision(due, f"{verdict.because}{but}.", lines, seen)


def _first(evidence: Evidence, train: Train) -> Verdict:
    wanted = train.minimum or train.window
    ready = wanted.after(evidence.history_start)
    holds = ready <= evidence.interval_end
    days = (evidence.interval_end - evidence.history_start).days
    line = GateLine("first training", holds, f"{days} days of history", f"at least {wanted}", "info")
    if not holds:
        return Verdict(
            False,
            (line,),
            f"there is no model yet, and the history wanted first ({wanted}) is reached on {ready:%Y-%m-%d}",
        )
    if evidence.intervals_since_training is not None:
        return Verdict(True, (line,), "no model serves yet, since none that was trained has passed its gate")
    return Verdict(True, (line,), f"there is no model yet, and there is enough history for the first ({wanted})")


def _again(evidence: Evidence, retrain: Retrain) -> Verdict:
    if retrain.when == "never":
        line = GateLine("never", False, "a champion serves", "never", "info")
        return Verdict(False, (line,), "the pipeline never retrains")
    if retrain.when == "always":
        line = GateLine("always", True, "a champion serves", "always", "info")
        return Verdict(True, (line,), "the pipeline retrains in every interval")
    return judge(retrain.when, evidence)


def _cooldown(evidence: Evidence, retrain: Retrain) -> Verdict | None:
    """The next `cooldown` intervals after a training don't train."""
    since = evidence.intervals_since_training
    if not retrain.cooldown or since is None:
        return None
    holds = since > retrain.cooldown
    line = GateLine("cooldown", holds, f"{since} since the last training", f"more than {retrain.cooldown}", "critical")
    pause = "1 interval" if retrain.cooldown == 1 else f"{retrain.cooldown} intervals"
    return Verdict(
        holds,
        (line,),
        f"the last training was {since} interval{'' if since == 1 else 's'} ago and {pause} must pass in between",
    )


def _rows(evidence: Evidence, retrain: Retrain) -> Verdict | None:
    """Without a count for the window, all labelled rows stand for it before the first champion; later nothing can."""
    rows = evidence.window_rows
    if rows is None and evidence.champion is None:
        rows = evidence.labelled_rows
    if not retrain.minimum_rows or rows is None:
        return None
    holds = rows >= retrain.minimum_rows
    line = GateLine("minimum_rows", holds, f"{rows:,}", f"at least {retrain.minimum_rows:,}", "critical")
    return Verdict(
        holds, (line,), f"the training window holds {rows:,} labelled rows of the {retrain.minimum_rows:,} wanted"
    )


def _held(evidence: Evidence) -> Verdict | None:
    """No candidate that would only wait."""
    if not evidence.held:
        return None
    line = GateLine("room for a candidate", False, evidence.held, "nothing under way", "critical")
    return Verdict(False, (line,), evidence.held)


def _budget(evidence: Evidence, retrain: Retrain) -> Verdict | None:
    """No more trainings than `trainings` in the time `per`, which ends with this interval."""
    budget = retrain.budget
    if budget is None:
        return None
    since = budget.per.before(evidence.interval_end)
    spent = sum(since < training <= evidence.interval_end for training in evidence.trainings)
    holds = spent < budget.trainings
    line = GateLine("budget", holds, f"{spent} in {budget.per}", f"fewer than {budget.trainings}", "critical")
    return Verdict(holds, (line,), f"the budget of {budget.trainings} trainings in {budget.per} is spent")


def _plain(value: Any) -> Any:
    """JSON-ready; times as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(item) for key, item in asdict(value).items()}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
