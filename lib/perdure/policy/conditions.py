"""One judgement a condition of `retrain.when`: whether it holds, as a gate line and as words for a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perdure.core.conditions import (
    Age,
    AllOf,
    AnyOf,
    DataQuality,
    Drift,
    Expected,
    NewCategories,
    NewRows,
    Realised,
    Repeated,
    Together,
    Unusual,
)
from perdure.core.gate import GateLine

from .evidence import LOWER_IS_BETTER, Evidence, number, worsened

_NAMED = 3
# What each check on all features says when it finds no change, and when it does.
_TOGETHER = {
    "multivariate": ("the features go together as in the training",
                     "the features no longer go together as in the training"),
    "domain_classifier": ("a classifier hardly tells the rows from the training's",
                          "a classifier tells the rows from the training's"),
    "attributions": ("the model leans on the same features as in the training",
                     "the model leans on other features than in the training"),
}


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
        Expected: _expected,
        DataQuality: _data_quality,
        NewCategories: _new_categories,
        Unusual: _unusual,
        Together: _together,
        Repeated: _repeated,
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
    bounds = {column: _bound(condition, evidence, column) for column in found}
    known = {column: value for column, value in found.items() if value is not None and bounds[column] is not None}
    above = sorted((c for c, value in known.items() if value > (bounds[c] or 0)), key=lambda c: (-known[c], c))
    statistic = condition.drift.replace("_", " ")
    named = ", ".join(f"{column} {known[column]:.3g}" for column in above[:_NAMED])
    more = f" and {len(above) - _NAMED} more" if len(above) > _NAMED else ""
    limit = f"above {condition.above:g}" if condition.above is not None else "above what the training data show"
    bound = f"at least {_many(condition.columns, 'feature')} {limit}"
    rule = f"drift: {condition.drift}"
    if not known:
        return _verdict(False, rule, "not measured", bound, "drift has not been measured yet")
    measured = f"{len(above)} of {len(known)} features" + (f": {named}{more}" if above else "")
    holds = len(above) >= condition.columns
    if holds:
        because = f"{_many(len(above), 'feature')} changed since the training ({statistic} {limit}: "
        return _verdict(True, rule, measured, bound, f"{because}{named}{more})")
    changed = f"only {len(above)} of the {condition.columns} needed" if above else "no"
    noun = "features" if above else "feature"
    because = f"{changed} {noun} changed more than allowed since the training ({statistic} {limit})"
    return _verdict(False, rule, measured, bound, because)


def _bound(condition: Drift, evidence: Evidence, column: str) -> float | None:
    if condition.above is not None:
        return condition.above
    return number(evidence.drift_thresholds.get(column, {}).get(condition.drift))


def _realised(condition: Realised, evidence: Evidence) -> Verdict:
    coverage = evidence.label_coverage
    if coverage is not None and coverage < condition.minimum_coverage:
        bound = f"labels for at least {condition.minimum_coverage:.0%} of the rows"
        because = f"labels are known for {coverage:.0%} of the rows, of {condition.minimum_coverage:.0%} wanted"
        return _verdict(False, f"realised: {condition.realised}", f"{coverage:.0%}", bound, because)
    if condition.slice is not None:
        return _slices("realised", condition.realised, condition, evidence)
    absent = ("no labels yet", f"no labels have come yet to tell its {_words(condition.realised)}")
    share = "" if coverage is None else f", labels for {coverage:.0%} of the rows"
    return _worse(("realised", condition.realised), evidence.realised, condition.worse_by, evidence, (absent, share))


def _expected(condition: Expected, evidence: Evidence) -> Verdict:
    if condition.slice is not None:
        return _slices("expected", condition.expected, condition, evidence)
    absent = ("no estimate", f"its {_words(condition.expected)} can't be estimated yet")
    return _worse(("expected", condition.expected), evidence.expected, condition.worse_by, evidence, (absent, ""))


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _worse(
    named: tuple[str, str], values: Any, worse_by: float, evidence: Evidence, said: tuple[tuple[str, str], str]
) -> Verdict:
    """Whether a metric of this kind is worse than the champion's on its holdout. `said`: what is said where it isn't
    known, and what is added where it is."""
    kind, metric = named
    rule, words = f"{kind}: {metric}", _words(metric)
    bound = f"worse than at the training by more than {worse_by:.0%}"
    now = number(values.get(metric))
    before = number(evidence.champion.holdout_metrics.get(metric)) if evidence.champion else None
    if before is None:
        return _verdict(
            False, rule, "not measured at the training", bound, f"the champion's {words} at its training is not known"
        )
    if now is None:
        return _verdict(False, rule, said[0][0], bound, said[0][1])
    change = worsened(metric, before, now)
    holds = change > worse_by
    better = "lower" if metric in LOWER_IS_BETTER else "higher"
    measured = f"{now:.4g} against {before:.4g} ({better} is better{said[1]})"
    direction = "worse" if change > 0 else "better"
    verb = "is expected to be" if kind == "expected" else "is"
    because = f"{words} {verb} {abs(change):.1%} {direction} than at the training ({now:.3g} against {before:.3g})"
    allowed = "" if holds else f", and up to {worse_by:.0%} worse is accepted"
    return _verdict(holds, rule, measured, bound, because + allowed)


def _slices(kind: str, metric: str, condition: Realised | Expected, evidence: Evidence) -> Verdict:
    """Whether it is worse in any value of a slice column, each against the champion's holdout in the same slice."""
    rule, words = f"{kind}: {metric} by {condition.slice}", _words(metric)
    bound = f"worse than at the training by more than {condition.worse_by:.0%} in any {condition.slice}"
    before = {part.value: number(part.realised.get(metric)) for part in
              (evidence.champion.holdout_slices if evidence.champion else ()) if part.key == condition.slice}
    changes = {}
    for part in evidence.slices:
        now, then = number(getattr(part, kind).get(metric)), before.get(part.value)
        known = kind == "expected" or (part.label_coverage or 0) >= getattr(condition, "minimum_coverage", 0)
        if part.key == condition.slice and now is not None and then is not None and known:
            changes[part.value] = worsened(metric, then, now)
    if not changes:
        return _verdict(False, rule, "not measured", bound, f"its {words} by {condition.slice} is not known yet")
    worst = sorted(changes, key=lambda value: (-changes[value], value))
    above = [value for value in worst if changes[value] > condition.worse_by]
    named = ", ".join(f"{value} {changes[value]:+.1%}" for value in (above or worst)[:_NAMED])
    if above:
        because = f"{words} is worse than at the training in {_many(len(above), condition.slice or '')}: {named}"
    else:
        because = f"in no {condition.slice} {words} is worse by more than {condition.worse_by:.0%} (worst: {named})"
    return _verdict(bool(above), rule, f"{len(above)} of {len(changes)}: {named}", bound, because)


def _data_quality(condition: DataQuality, evidence: Evidence) -> Verdict:
    share, bound = evidence.quarantined, f"above {condition.data_quality:.2%} of the rows"
    if share is None:
        return _verdict(False, "data_quality", "not measured", bound, "no rows have been validated")
    holds = share > condition.data_quality
    than = "more than the" if holds else "of the"
    because = f"{share:.2%} of the rows went to quarantine, {than} {condition.data_quality:.2%} allowed"
    return _verdict(holds, "data_quality", f"{share:.2%} quarantined", bound, because)


def _new_categories(condition: NewCategories, evidence: Evidence) -> Verdict:
    shares = evidence.new_categories
    above = sorted((c for c in shares if shares[c] > condition.new_categories), key=lambda c: (-shares[c], c))
    named = ", ".join(f"{column} {shares[column]:.1%}" for column in above[:_NAMED])
    bound = f"above {condition.new_categories:.1%} of the rows of a feature"
    if above:
        because = f"categories that the training never saw: {named}"
    else:
        because = f"no feature has more than {condition.new_categories:.1%} rows of categories new since the training"
    return _verdict(bool(above), "new_categories", named or "none", bound, because)


def _unusual(condition: Unusual, evidence: Evidence) -> Verdict:
    found, bound = evidence.unusual, f"at least {condition.unusual}"
    holds = len(found) >= condition.unusual
    named = "; ".join(found[:_NAMED])
    because = f"{_many(len(found), 'measure')} of the data {'is' if len(found) == 1 else 'are'} unusual: {named}"
    if not found:
        because = "nothing in the data is unusual against its own history"
    return _verdict(holds, "unusual", f"{len(found)}" + (f": {named}" if found else ""), bound, because)


def _together(condition: Together, evidence: Evidence) -> Verdict:
    alike, changed = _TOGETHER[condition.together]
    rule, bound = f"together: {condition.together}", "as in the training's own intervals"
    if condition.together not in evidence.together:
        words = _words(condition.together)
        return _verdict(False, rule, "not measured", bound, f"nothing has been measured for the check '{words}' yet")
    holds, measured = evidence.together[condition.together]
    return _verdict(holds, rule, measured, bound, f"{changed if holds else alike} ({measured})")


def _repeated(condition: Repeated, evidence: Evidence) -> Verdict:
    found = [judge(condition.of, each) for each in (evidence, *evidence.earlier[: condition.last - 1])]
    held = [verdict for verdict in found if verdict.holds]
    holds = len(held) >= condition.times
    line = GateLine(
        f"{condition.times} of the last {condition.last} intervals",
        holds, f"{len(held)} of {len(found)}", f"at least {condition.times}", "info",
    )  # fmt: skip
    times = f"in {len(held)} of the last {condition.last} intervals, of {condition.times} wanted"
    because = f"{(held[0] if holds else found[0]).because} ({times})"
    return Verdict(holds, (*found[0].lines, line), because)


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
