"""Small drawings of a model card as inline SVG, in the page's own colours: no library, so a card costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from .words import figure, share

_WIDTH, _HEIGHT = 340, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 30


class _Plane:
    """From values to places in the drawing."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._x, self._y = x, y

    def x(self, value: float) -> float:
        low, high = self._x
        return round(_LEFT + (value - low) / ((high - low) or 1) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self._y
        return round(_HEIGHT - _BOTTOM - (value - low) / ((high - low) or 1) * (_HEIGHT - _TOP - _BOTTOM), 1)


def curve(points: Sequence[Mapping[str, Any]], bounds: tuple[float, float], *, binary: bool) -> Markup:
    """A partial dependence: `points` with a number `at` and the mean `answer`; `bounds` of the answers of all curves,
    so that they can be compared."""
    values = [float(point["at"]) for point in points]
    plane = _Plane((values[0], values[-1]), bounds)
    word = share if binary else figure
    marks = "".join(f'<circle cx="{plane.x(at)}" cy="{plane.y(p["answer"])}" r="2.5"/>'
                    for at, p in zip(values, points, strict=True))  # fmt: skip
    line = " ".join(f"{plane.x(at)},{plane.y(p['answer'])}" for at, p in zip(values, points, strict=True))
    return _svg(_grid(plane, bounds, word) + _ends(plane, values, _short)
                + f'<polyline class="curve" points="{line}"/><g class="points">{marks}</g>')  # fmt: skip


def calibration(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Stated probabilities against what came: `bins` with `predicted`, `observed`, `low`, `high`."""
    top = max(0.02, *(max(each["high"], each["predicted"]) for each in bins))
    plane = _Plane((0, top), (0, top))
    ideal = f'<line class="ideal" x1="{plane.x(0)}" y1="{plane.y(0)}" x2="{plane.x(top)}" y2="{plane.y(top)}"/>'
    marks = "".join(
        f'<line class="whisker" x1="{plane.x(b["predicted"])}" x2="{plane.x(b["predicted"])}" '
        f'y1="{plane.y(b["low"])}" y2="{plane.y(b["high"])}"/>'
        f'<circle cx="{plane.x(b["predicted"])}" cy="{plane.y(b["observed"])}" r="3.5"/>' for b in bins)  # fmt: skip
    return _svg(_grid(plane, (0, top), share) + _ends(plane, [0, top / 2, top], share) + ideal
                + f'<g class="points">{marks}</g>')  # fmt: skip


def _grid(plane: _Plane, bounds: tuple[float, float], word: Any) -> str:
    low, high = bounds
    lines = []
    for value in (low, (low + high) / 2, high):
        y = plane.y(value)
        lines.append(f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
                     f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{escape(word(value))}</text>')  # fmt: skip
    return "".join(lines)


def _ends(plane: _Plane, values: Sequence[float], word: Any) -> str:
    places = [(values[0], "start"), ((values[0] + values[-1]) / 2, "middle"), (values[-1], "end")]
    if values[0] == values[-1]:
        places = [(values[0], "start")]
    return "".join(f'<text x="{plane.x(value)}" y="{_HEIGHT - 9}" text-anchor="{anchor}">{escape(word(value))}</text>'
                   for value, anchor in places)  # fmt: skip


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def _svg(inner: str) -> Markup:
    return Markup(f'<svg class="sketch" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">{inner}</svg>')
