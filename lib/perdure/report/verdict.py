"""The answer at the top of the page: is the model still good, for whom not, what changed, what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .data import PipelineFacts, ReportData
from .drift import DriftView
from .performance import MetricView, Point, SlicesView, promised
from .training import DecisionsView
from .words import figure, listed, period, share, title, when

Status = Literal["good", "watch", "bad", "waiting", "none"]
_NAMED = 3
_MUCH = 3


@dataclass(frozen=True)
class Verdict:
    """A status, one headline with one sentence that backs it, and the three other questions with their answers."""

    status: Status
    headline: str
    because: str
    answers: tuple[tuple[str, str], ...]


def verdict(
    data: ReportData,
    metric: MetricView | None,
    slices: SlicesView | None,
    drift: DriftView | None,
    decisions: DecisionsView,
) -> Verdict:
    """The verdict from the sections' own figures, so that the top of the page never contradicts the rest."""
    status, headline, because = _state(data, metric, decisions)
    answers = (
        ("For whom is it worse?", _slices(slices)),
        ("What changed in the data?", _drift(data, drift)),
        ("What was decided?", _decided(decisions)),
    )
    return Verdict(status, headline, because, answers)


def _state(data: ReportData, metric: MetricView | None, decisions: DecisionsView) -> tuple[Status, str, str]:
    if not data.runs and not data.performance and not data.decisions:
        return "none", "Nothing has run yet.", "Run the pipeline once, and this page fills."
    if not data.champions:
        return "none", "No model serves yet.", _why_none(decisions)
    latest = metric.latest if metric else None
    if metric is None or latest is None or latest.value is None:
        return _waiting(data)
    status, headline, because = _judged(data.pipeline, metric, latest, _promise(data, latest, metric))
    return status, headline, because + _newer(data, metric)


def _why_none(decisions: DecisionsView) -> str:
    if decisions.waiting:
        return f"Version {decisions.waiting} passed its gate and waits for approval."
    if decisions.refused:
        count = decisions.refused
        return (
            f"{count} {'candidate was' if count == 1 else 'candidates were'} trained and refused by the gate; "
            "the reasons stand under Candidates."
        )
    if decisions.rows:
        return f"The last decision: {_sentence(decisions.rows[0].reason)}"
    return "The first training comes as soon as there is enough history."


def _waiting(data: ReportData) -> tuple[Status, str, str]:
    champion = max(data.champions, key=lambda item: (item.interval, item.at))
    return (
        "waiting",
        "It is too early to tell.",
        f"Version {champion.version} serves since {period(champion.interval)}, but no outcomes are known yet.",
    )


def _promise(data: ReportData, latest: Point, metric: MetricView) -> float | None:
    return promised(data, latest.versions[-1], metric.metric) if latest.versions else None


def _judged(
    pipeline: PipelineFacts, metric: MetricView, latest: Point, promise: float | None
) -> tuple[Status, str, str]:
    value = latest.value if latest.value is not None else 0.0
    sign = 1 if metric.smaller_is_better else -1
    broken = metric.threshold is not None and sign * (value - metric.threshold) > 0
    worse = sign * (value - promise) / abs(promise) if promise else None
    certain = worse is not None and promise is not None and not _covers(latest, promise)
    status: Status = "good"
    if broken or (worse is not None and certain and worse > _MUCH * pipeline.tolerance):
        status = "bad"
    elif worse is not None and certain and worse > pipeline.tolerance:
        status = "watch"
    headline = {
        "good": "The model is holding up.",
        "watch": "The model is slipping.",
        "bad": "The model is no longer as good as it should be.",
    }[status]
    return status, headline, _because(metric, latest, promise, worse, broken)


def _newer(data: ReportData, metric: MetricView | None) -> str:
    """A word on a champion that has taken over since the figures of the verdict."""
    latest = metric.latest if metric else None
    newest = max(data.champions, key=lambda item: (item.interval, item.at))
    if latest is None or not latest.versions or newest.version in latest.versions:
        return ""
    return f" Version {newest.version} takes its place from {period(newest.interval)} on."


def _covers(point: Point, value: float) -> bool:
    """Whether chance alone explains the difference between a point and a value."""
    return point.low is not None and point.high is not None and point.low <= value <= point.high


def _because(metric: MetricView, latest: Point, promise: float | None, worse: float | None, broken: bool) -> str:
    text = when(latest.period.first, latest.period.last)
    text = f"{text[:1].upper()}{text[1:]} its {title(metric.metric)} was {figure(latest.value)}"
    if worse is not None and promise is not None:
        if _covers(latest, promise):
            how = "no difference beyond chance"
        elif abs(worse) < 0.005:
            how = "practically the same"
        else:
            how = f"{share(abs(worse))} {'worse' if worse > 0 else 'better'}"
        text += f", against {figure(promise)} on held-out rows before it went live: {how}"
    if broken and metric.threshold is not None:
        text += f". The pipeline allows at {'most' if metric.smaller_is_better else 'least'} {figure(metric.threshold)}"
    return text + "."


def _slices(slices: SlicesView | None) -> str:
    if slices is None:
        return "No outcomes by slice are known yet."
    worse = [row for row in slices.rows if row.worse]
    if not worse:
        return f"No slice was clearly worse than the whole {when(slices.interval)}."
    named = [f"{row.key} {row.value}" for row in worse[:_NAMED]]
    more = len(worse) - len(named)
    return f"Clearly worse than on the whole {when(slices.interval)}: {listed(named)}" + (
        f", and {more} more." if more else "."
    )


def _drift(data: ReportData, drift: DriftView | None) -> str:
    if drift is None or drift.latest is None:
        return "Nothing has been compared with a training reference yet."
    if not drift.changed:
        return f"No column changed clearly {when(drift.latest)}, compared with what the champion learned from."
    named = [column for column, _ in drift.changed[:_NAMED]]
    count, more = len(drift.changed), len(drift.changed) - len(named)
    text = f"{count} {'column' if count == 1 else 'columns'} changed clearly {when(drift.latest)}: " + (
        listed(named) + (f", and {more} more" if more else "")
    )
    shares = {item.column: item.share for item in data.importance}
    if shares:
        weight = sum(shares.get(column, 0.0) for column, _ in drift.changed)
        text += f". The model takes {share(weight)} of its answer from {'it' if count == 1 else 'them'}"
    return text + "."


def _decided(decisions: DecisionsView) -> str:
    if not decisions.rows:
        return "Nothing has been decided yet."
    last = decisions.rows[0]
    words = {
        "train": "train anew",
        "keep": "keep the model",
        "promote": "promote the candidate",
        "refuse": "refuse the candidate",
        "wait": "let the candidate wait for approval",
        "reject": "reject the candidate, by hand",
        "challenge": "roll the candidate out beside the champion",
        "advance": "let the challenger serve more",
        "hold": "leave the challenger as it is",
        "rollback": "roll the challenger back",
    }
    what = words.get(last.decision, last.decision)
    text = (
        f"{period(last.last)}: {what}, since {_sentence(last.reason)}"
        if last.reason
        else f"{period(last.last)}: {what}."
    )
    if decisions.waiting and last.decision != "wait":
        text += f" Version {decisions.waiting} passed its gate and waits for approval."
    return text


def _sentence(reason: str) -> str:
    reason = reason.strip()
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
