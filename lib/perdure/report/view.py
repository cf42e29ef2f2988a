"""The report's content as one tree of plain values: what the page, the Markdown and the JSON all tell."""

from __future__ import annotations

from dataclasses import dataclass

from . import flow, performance, training
from .data import PipelineFacts, ReportData, Told, Unusual
from .drift import DistributionView, DriftView, distributions, heat
from .timeline import Period, Timeline
from .together import TogetherView, together
from .verdict import Verdict, verdict
from .words import compact, figure, period, share, title

_UNUSUAL = 20  # rows of that table


@dataclass(frozen=True)
class KeyFigure:
    """One of the large numbers: `term` names the word that explains it, empty if none is needed."""

    label: str
    value: str
    note: str
    term: str = ""


@dataclass(frozen=True)
class View:
    """The whole report. Sections without content are empty or None, and the templates say what is missing."""

    pipeline: PipelineFacts
    generated_at: str
    span: Period | None
    intervals: int
    per_period: int
    champion: str | None
    verdict: Verdict
    figures: tuple[KeyFigure, ...]
    graph: flow.GraphView
    periods: tuple[Period, ...]
    metrics: tuple[performance.MetricView, ...]
    slices: performance.SlicesView | None
    drift: DriftView | None
    told: tuple[Told, ...]
    together: tuple[TogetherView, ...]
    distributions: tuple[DistributionView, ...]
    trainings: tuple[training.TrainingView, ...]
    trainings_omitted: int
    decisions: training.DecisionsView
    quality: tuple[flow.QualityView, ...]
    unusual: tuple[Unusual, ...]
    unusual_omitted: int
    steps: tuple[flow.StepView, ...]


def build(data: ReportData) -> View:
    """The report's content; equal data make an equal view."""
    timeline = Timeline.of(data)
    metrics = performance.metrics(data, timeline)
    own = next((item for item in metrics if item.metric == data.pipeline.metric), metrics[0] if metrics else None)
    slices, changes = performance.slices(data, timeline), heat(data, timeline)
    decisions, quality = training.decisions(data), flow.quality(data, timeline)
    trainings, omitted = training.trainings(data)
    trained = max(decisions.trained, len({item.interval for item in data.trials}))
    promoted = max(decisions.promoted, len(data.champions))
    graph = flow.graph(data, quality, trained, promoted)
    periods = timeline.periods
    unusual = tuple(sorted(data.unusual, key=lambda one: one.interval, reverse=True))
    return View(
        pipeline=data.pipeline,
        generated_at=data.generated_at,
        span=Period(timeline.labels[0], timeline.labels[-1]) if periods else None,
        intervals=len(timeline.labels),
        per_period=timeline.size,
        champion=performance.serving(data, timeline.labels[-1]) if periods else None,
        verdict=verdict(data, own, slices, changes, decisions),
        figures=_figures(data, own, quality, graph, (trained, promoted)),
        graph=graph,
        periods=periods,
        metrics=metrics,
        slices=slices,
        drift=changes,
        told=data.told,
        together=together(data, timeline),
        distributions=distributions(data, changes),
        trainings=trainings,
        trainings_omitted=omitted,
        decisions=decisions,
        quality=quality,
        unusual=unusual[:_UNUSUAL],
        unusual_omitted=len(unusual[_UNUSUAL:]),
        steps=flow.steps(data),
    )


def _figures(
    data: ReportData,
    metric: performance.MetricView | None,
    quality: tuple[flow.QualityView, ...],
    graph: flow.GraphView,
    counts: tuple[int, int],
) -> tuple[KeyFigure, ...]:
    """Five numbers: the metric, predictions, the champion, trainings, quarantined rows."""
    name = metric.metric if metric else data.pipeline.metric
    latest = metric.latest if metric else None
    note = "no outcomes yet"
    if latest is not None:
        note = period(latest.period.first, latest.period.last)
        note += f", {share(latest.coverage)} of outcomes known" if latest.coverage is not None else ""
    champion = max(data.champions, key=lambda item: (item.interval, item.at), default=None)
    predictions = next((value for value, unit in graph.score.figures if unit == "predictions"), None)
    rows, bad = sum(item.rows_in for item in quality), sum(item.quarantined for item in quality)
    trained, promoted = counts
    return (
        KeyFigure(title(name), figure(latest.value if latest else None), note, name),
        KeyFigure(
            "champion",
            f"v{champion.version}" if champion else "none",
            f"serves since {period(champion.interval)}" if champion else "no candidate has passed yet",
            "champion",
        ),
        KeyFigure("predictions", compact(predictions), f"{_times(graph.score.runs, 'run')} of scoring"),
        KeyFigure("trainings", str(trained), f"{promoted} promoted", "gate"),
        KeyFigure(
            "quarantined",
            share(bad / rows) if rows else "–",
            f"{compact(bad)} of {compact(rows)} rows" if rows else "no data checked yet",
            "quarantined",
        ),
    )


def _times(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
