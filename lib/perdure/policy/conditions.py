"""One judgement a condition of `retrain.when`: whether it holds, as a gate line and as words for a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perdure.core.config import Age, AllOf, AnyOf, Drift, NewRows, Realised
from perdure.core.gate import GateLine

from .evidence import LOWER_IS_BETTER, Evidence, number, worsened

_NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """Whether a condition holds, the line of each rule in it, and why, as a clause of a sentence."""

    holds: bool
    lines: tuple[GateLine, ...]
    because: str


def judge(condition: Any, evidence: Evidence) -> Verdict:
    """A condition's verdict. What isn't known doesn't hold: no drift without a profile, no loss without labels.

    Raises TypeError for a condition that the pipeline file doesn't know.
    """
    rules: dict[type, Callable[[Any, Evidence], Verdict]] = {
        Drift: _drift,
        Realised: _realised,
        Age: _age,
        NewRows: _new_rows,
        AnyOf: _any,
        AllOf: _all,
    }
    if type(condition) not in rules:
        raise TypeError(f"no rule for a condition of type {type(condition).__name__}")
    return rules[type(condition)](condition, evidence)


def _verdict(holds: bool, rule: str, measured: str, bound: str, because: str) -> Verdict:
    return Verdict(holds, (GateLine(rule, holds, measured, bound, "info"),), because)


def _drift(condition: Drift, evidence: Evidence) -> Verdict:
    found = {column: number(values.get(condition.drift)) for column, values in evidence.drift.items()}
    known = {column: value for column, value in found.items() if value is not None}
    above = sorted((column for column, value in known.items() if value > condition.above), key=lambda c: (-known[c], c))
    statistic = condition.drift.replace("_", " ")
    named = ", ".join(f"{column} {known[column]:.3g}" for column in above[:_NAMED])
    more = f" and {len(above) - _NAMED} more" if len(above) > _NAMED else ""
    bound = f"at least {_many(condition.columns, 'feature')} above {condition.above:g}"
    rule = f"drift: {condition.drift}"
    if not known:
        return _verdict(False, rule, "not measured", bound, "drift has not been measured yet")
    measured = f"{len(above)} of {len(known)} features" + (f": {named}{more}" if above else "")
    holds = len(above) >= condition.columns
    if holds:
        because = f"{_many(len(above), 'feature')} changed since the training ({statistic} above {condition.above:g}: "
        return _verdict(True, rule, measured, bound, f"{because}{named}{more})")
    changed = f"only {len(above)} of the {condition.columns} needed" if above else "no"
    noun = "features" if above else "feature"
    because = f"{changed} {noun} changed more than allowed since the training ({statistic} above {condition.above:g})"
    return _verdict(False, rule, measured, bound, because)


def _realised(condition: Realised, evidence: Evidence) -> Verdict:
    metric = condition.realised
    rule = f"realised: {metric}"
    bound = f"worse than at the training by more than {condition.worse_by:.0%}"
    now = number(evidence.realised.get(metric))
    before = number(evidence.champion.holdout_metrics.get(metric)) if evidence.champion else None
    words = metric.replace("_", " ")
    if before is None:
        return _verdict(
            False, rule, "not measured at the training", bound, f"the champion's {words} at its training is not known"
        )
    if now is None:
        return _verdict(False, rule, "no labels yet", bound, f"no labels have come yet to tell its {words}")
    change = worsened(metric, before, now)
    holds = change > condition.worse_by
    better = "lower" if metric in LOWER_IS_BETTER else "higher"
    share = "" if evidence.label_coverage is None else f", labels for {evidence.label_coverage:.0%} of the rows"
    measured = f"{now:.4g} against {before:.4g} ({better} is better{share})"
    direction = "worse" if change > 0 else "better"
    because = f"{words} is {abs(change):.1%} {direction} than at the training ({now:.3g} against {before:.3g})"
    allowed = "" if holds else f", and up to {condition.worse_by:.0%} worse is accepted"
    return _verdict(holds, rule, measured, bound, because + allowed)


def _age(condition: Age, evidence: Evidence) -> Verdict:
    bound = f"at least {condition.age}"
    if evidence.champion is None:
        return _verdict(False, "age", "no champion", bound, "there is no champion whose age could count")
    until = evidence.champion.trained_until
    holds = condition.age.after(until) <= evidence.interval_end
    days = (evidence.interval_end - until).days
    because = f"the training data ended {_many(days, 'day')} ago, on {until:%Y-%m-%d}"
    limit = f", at least the {condition.age} allowed" if holds else f", less than the {condition.age} allowed"
    return _verdict(holds, "age", _many(days, "day"), bound, because + limit)


def _new_rows(condition: NewRows, evidence: Evidence) -> Verdict:
    rows = evidence.labelled_rows
    holds = rows >= condition.new_rows
    because = f"{rows:,} labelled rows have come since the training, of {condition.new_rows:,} wanted"
    return _verdict(holds, "new_rows", f"{rows:,}", f"at least {condition.new_rows:,}", because)


def _any(condition: AnyOf, evidence: Evidence) -> Verdict:
    return _several([judge(each, evidence) for each in condition.any], any)


def _all(condition: AllOf, evidence: Evidence) -> Verdict:
    return _several([judge(each, evidence) for each in condition.all], all)


def _several(verdicts: list[Verdict], rule: Callable[[list[bool]], bool]) -> Verdict:
    """All lines, and the reasons of those that made the outcome."""
    holds = rule([verdict.holds for verdict in verdicts])
    reasons = [verdict.because for verdict in verdicts if verdict.holds == holds]
    return Verdict(holds, tuple(line for verdict in verdicts for line in verdict.lines), "; ".join(reasons))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
