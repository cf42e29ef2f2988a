"""What all features say at once, by period, with what the training lets expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .data import ReportData, Together
from .timeline import Period, Timeline


@dataclass(frozen=True)
class Words:
    """How a kind is told: `title`, what it `means`, what its number is called, what its columns' shares are of."""

    title: str
    means: str
    number: str
    columns: str


WORDS = {
    "reconstruction": Words(
        "Whether the columns still go together",
        "How badly the main directions of the training data rebuild an interval's rows: it grows when columns that "
        "moved together no longer do.", "Reconstruction error", "it sits most in"),
    "domain": Words(
        "Whether the rows can be told from the training's",
        "How well a small forest tells an interval's rows from those of the training, by all columns at once: 0.5 is "
        "not at all, 1 is always.", "Area under ROC", "it goes most by"),
    "attributions": Words(
        "Whether the model still leans on the same columns",
        "How alike the order of what moves the answers is to the training's (by mean SHAP sizes): 1 is the same order; "
        "below 0.9 counts as changed.", "Likeness", "these parts of all it leans on moved most:"),
}


@dataclass(frozen=True)
class TogetherView:
    """One entry a period: the interval with the worst number in it, None where nothing was measured."""

    words: Words
    periods: tuple[Period, ...]
    points: tuple[Together | None, ...]
    latest: Together
    drifted: int


def together(data: ReportData, timeline: Timeline) -> tuple[TogetherView, ...]:
    """A view for each kind that the pipeline watches and has measured."""
    return tuple(_views(data, timeline))


def _views(data: ReportData, timeline: Timeline) -> Iterator[TogetherView]:
    for kind, words in WORDS.items():
        items = [item for item in data.together if item.kind == kind]
        sign = -1 if kind == "attributions" else 1
        worst: dict[int, Together] = {}
        for item in items:
            index = timeline.index(item.interval)
            if index is not None and (index not in worst or sign * item.value > sign * worst[index].value):
                worst[index] = item
        if worst:
            periods = timeline.periods[min(worst) :]
            points = tuple(worst.get(number) for number in range(min(worst), len(timeline.periods)))
            latest = max(items, key=lambda item: item.interval)
            yield TogetherView(words, periods, points, latest, sum(item.drifted for item in items))
