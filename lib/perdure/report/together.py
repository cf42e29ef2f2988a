"""Whether the features still go together: the reconstruction error by period, with what the training lets expect."""

from __future__ import annotations

from dataclasses import dataclass

from .data import ReportData, Together
from .timeline import Period, Timeline


@dataclass(frozen=True)
class TogetherView:
    """One entry a period: the interval with the greatest error in it, None where nothing was measured."""

    periods: tuple[Period, ...]
    points: tuple[Together | None, ...]
    latest: Together
    drifted: int


def together(data: ReportData, timeline: Timeline) -> TogetherView | None:
    """None where the pipeline does not watch it, or has not yet."""
    worst: dict[int, Together] = {}
    for item in data.together:
        index = timeline.index(item.interval)
        if index is not None and (index not in worst or item.error > worst[index].error):
            worst[index] = item
    if not worst:
        return None
    periods = timeline.periods[min(worst) :]
    points = tuple(worst.get(number) for number in range(min(worst), len(timeline.periods)))
    latest = max(data.together, key=lambda item: item.interval)
    return TogetherView(periods, points, latest, sum(item.drifted for item in data.together))
