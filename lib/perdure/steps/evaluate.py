"""The candidate on the holdout: against the thresholds, and against the champion on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from perdure.core.config import BeatChampion, Pipeline, SliceRule
from perdure.core.errors import PerdureError, UsageError
from perdure.core.gate import GateLine, GateResult, Severity
from perdure.core.protocols import StepResult
from perdure.evaluation import expected, fairness, measure, scan
from perdure.evaluation.tally import Estimate, Tally
from perdure.models.fitted import predict

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import Column, DataFrame

    from perdure.models.compiled import Compiled
    from perdure.models.decision import Decided

    Model = Transformer | Compiled | Decided

CANDIDATE, CHAMPION = "candidate", "champion"


def evaluate(rows: DataFrame, *, candidate: Model, champion: Model | None, pipeline: Pipeline) -> StepResult:
    """The model gate, and facts: `rows`, for each model the metrics with their 95 % intervals, `improvement` of the
    candidate over the champion, `slices`, `calibration` (binary), and `estimator`: what the candidate's expected
    performance will rest on (`evaluation.expected`).

    `rows`: features with `label` (not null) that neither model was trained on. One Spark action. Raises PerdureError
    when there are no rows."""
    task = pipeline.model.task
    models = {CANDIDATE: candidate} | ({CHAMPION: champion} if champion is not None else {})
    predicted, decided = _predicted(rows, models, task)
    tallies = scan.tally(scan.side_by_side(predicted, {m: f"_{m}" for m in models}, _slices(pipeline), decided),
                         task=task, paired=champion is not None)
    whole = {tally.model: tally for tally in tallies if tally.slice_key is None}
    if not whole or not whole[CANDIDATE].n:
        raise PerdureError("an evaluation needs rows with labels; the holdout has none. Lengthen train.holdout, or "
                           "wait until labels are available")
    measured = {name: measure.measure(tally, task) for name, tally in whole.items()}
    gate = GateResult("model", (*_lines(pipeline, whole, measured), *_group_lines(pipeline, tallies)))
    facts: dict[str, Any] = {"rows": whole[CANDIDATE].n}
    facts |= {name: _plain(found) for name, found in measured.items()}
    estimator = expected.fit(whole[CANDIDATE], task)
    facts["estimator"] = estimator.to_dict() if estimator else None
    facts["improvement"] = _improvements(whole, task)
    facts["slices"] = [_slice(tally, task) for tally in tallies if tally.slice_key is not None]
    if task == "binary":
        facts["fairness"] = {column: _groups(tallies, column) for column in _slices(pipeline)}
        facts["calibration"] = {name: measure.calibration(tally) for name, tally in whole.items()}
    return StepResult(facts=facts, gate=gate)


def _predicted(rows: DataFrame, models: Mapping[str, Model], task: str) -> tuple[DataFrame, dict[str, Column]]:
    """`rows` with one column of predictions a model, `_<name>`: no join, the rows are read once; and what each
    decided."""
    from pyspark.sql import functions as F

    for name, model in models.items():
        told = {f"_{name}": scan.answer(task), f"_{name}_yes": scan.decision(task)}
        rows = predict(model, rows, task).withColumns(told).drop("prediction", "probability", "probabilities")
    return rows, {name: F.col(f"_{name}_yes") for name in models}


def _lines(
    pipeline: Pipeline, whole: Mapping[str, Tally], measured: Mapping[str, Mapping[str, Estimate]]
) -> list[GateLine]:
    gate, task = pipeline.gate, pipeline.model.task
    if gate.mode == "off":
        return []
    severity: Severity = "critical" if gate.mode == "enforce" else "warning"
    lines = [_threshold(name, bound, task, {model: found.get(name) for model, found in measured.items()}, severity)
             for name, bound in gate.thresholds.items()]
    if gate.beat_champion is not None:
        lines.append(_beats(gate.beat_champion, task, whole, severity))
    return lines


def _threshold(
    name: str, bound: float, task: str, found: Mapping[str, Estimate | None], severity: Severity
) -> GateLine:
    """Where the candidate fails, the line says what the champion, which goes on serving then, has on the same rows."""
    sign = "<=" if measure.lower_is_better(name, task) else ">="
    mine, rival = found[CANDIDATE], found.get(CHAMPION)
    if mine is None:
        return GateLine(name, False, "not defined on these rows", f"{sign} {bound:g}", severity)
    passed = mine.value <= bound if sign == "<=" else mine.value >= bound
    beside = f"; the champion has {rival.value:.4f}" if rival is not None and not passed else ""
    return GateLine(name, passed, _with_interval(mine) + beside, f"{sign} {bound:g}", severity)


def _slices(pipeline: Pipeline) -> list[str]:
    """The columns to tally by: those that are watched, those that the gate asks about, and that of the groups."""
    asked = [rule.slice for rule in (*pipeline.gate.slices, *pipeline.gate.fairness)]
    groups = [pipeline.model.fairness.group] if pipeline.model.fairness else []
    return list(dict.fromkeys([*pipeline.monitor.slices, *asked, *groups]))


def _group_lines(pipeline: Pipeline, tallies: Sequence[Tally]) -> list[GateLine]:
    gate, task = pipeline.gate, pipeline.model.task
    if gate.mode == "off":
        return []
    severity: Severity = "critical" if gate.mode == "enforce" else "warning"
    lines = [_in_every_slice(rule, task, tallies, severity) for rule in gate.slices]
    if gate.fairness and task != "binary":
        raise UsageError(f"gate.fairness is for a binary task; this one is {task}")
    return lines + [_fair(rule, tallies, severity) for rule in gate.fairness]


def _in_every_slice(rule: SliceRule, task: str, tallies: Sequence[Tally], severity: Severity) -> GateLine:
    """The worst value among the slices that are large enough; with none, nothing is judged."""
    lower = measure.lower_is_better(rule.metric, task)
    sign = "<=" if lower else ">="
    name = f"{rule.metric} for each {rule.slice}"
    bound = f"{sign} {rule.bound:g} where there are {rule.minimum_rows:,} rows or more"
    module = measure.metric(rule.metric, task)
    mine = [tally for tally in tallies
            if tally.model == CANDIDATE and tally.slice_key == rule.slice and tally.n >= rule.minimum_rows]
    found = [(estimate.value, tally) for tally in mine if (estimate := module.measure(tally)) is not None]
    if not found:
        return GateLine(name, True, "no value has so many rows", bound, "info")
    worst, tally = (max if lower else min)(found, key=lambda each: each[0])
    passed = worst <= rule.bound if lower else worst >= rule.bound
    return GateLine(name, passed, f"{worst:.4f} for {tally.slice_value} ({tally.n:,} rows)", bound, severity)


def _fair(rule: SliceRule, tallies: Sequence[Tally], severity: Severity) -> GateLine:
    lower = fairness.lower_is_fairer(rule.metric)
    name = f"{rule.metric} of {rule.slice}"
    bound = f"{'<=' if lower else '>='} {rule.bound:g} among groups of {rule.minimum_rows:,} rows or more"
    value = fairness.measured(fairness.groups(tallies, CANDIDATE, rule.slice, minimum=rule.minimum_rows)).get(
        rule.metric)
    if value is None:
        return GateLine(name, True, "fewer than two groups have so many rows", bound, "info")
    return GateLine(name, value <= rule.bound if lower else value >= rule.bound, f"{value:.4f}", bound, severity)


def _groups(tallies: Sequence[Tally], column: str) -> dict[str, Any]:
    found = fairness.groups(tallies, CANDIDATE, column)
    return {"metrics": fairness.measured(found),
            "groups": [{"value": each.value, "rows": each.rows, **each.rates} for each in found]}


def _beats(rule: BeatChampion, task: str, whole: Mapping[str, Tally], severity: Severity) -> GateLine:
    """A one-sided z-test: the improvement less z standard errors must exceed the margin."""
    name = f"{rule.metric} against the champion"
    measure.metric(rule.metric, task)
    if CHAMPION not in whole:
        return GateLine(name, True, "no champion yet", "better", "info")
    found = measure.improvement(rule.metric, task, whole[CANDIDATE], whole[CHAMPION])
    by = f"by more than {rule.margin:g} " if rule.margin else ""
    bound = f"better {by}with {rule.confidence:.0%} confidence"
    if found is None:
        return GateLine(name, False, "not defined on these rows", bound, severity)
    sure = found.value - NormalDist().inv_cdf(rule.confidence) * (found.error or 0.0) - found.bound
    measured = f"{_change(found.value)} (at the least {_change(sure)})" if found.value > 0 else _change(found.value)
    return GateLine(name, sure > rule.margin, measured, bound, severity)


def _change(improvement: float) -> str:
    return f"{abs(improvement):.4g} {'better' if improvement > 0 else 'worse'}"


def _with_interval(found: Estimate) -> str:
    low, high = found.interval()
    return f"{found.value:.4f}" + (f" (95 %: {low:.4f} to {high:.4f})" if low is not None else "")


def _improvements(whole: Mapping[str, Tally], task: str) -> dict[str, Any]:
    if CHAMPION not in whole:
        return {}
    found = {name: measure.improvement(name, task, whole[CANDIDATE], whole[CHAMPION]) for name in measure.names(task)}
    return _plain({name: estimate for name, estimate in found.items() if estimate is not None})


def _slice(tally: Tally, task: str) -> dict[str, Any]:
    return {"model": tally.model, "slice_key": tally.slice_key, "slice_value": tally.slice_value, "rows": tally.n,
            "metrics": _plain(measure.measure(tally, task))}


def _plain(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """JSON-ready: value, 95 % low and high (null where unknown)."""
    result = {}
    for name, estimate in estimates.items():
        low, high = estimate.interval()
        result[name] = {"value": estimate.value, "low": low, "high": high}
    return result
