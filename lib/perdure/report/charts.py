"""Charts as inline SVG: Vega-Lite specifications, drawn without a browser or a network by vl-convert.

Colours are CSS variables, so one drawing serves light and dark; text stays text. Every chart comes in a wide and a
narrow drawing, of which the page's style shows one. No name from the data is ever code:
labels reach expressions as JSON literals, and field names are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .drift import DistributionView
from .performance import MetricView, Point
from .timeline import Period
from .together import TogetherView
from .training import TrainingView
from .words import short

Spec = dict[str, Any]
VEGA_LITE = "6.4"
WIDE, NARROW = 1010, 318
FAMILIES = 5
_INK, _MUTED, _RULE = "var(--ink)", "var(--muted)", "var(--rule)"
_TAG = re.compile(r"<[a-z][^<>]*>")
_NOISE = re.compile(
    r" (?:role|aria-[a-z]+|font-family|stroke-miterlimit|pointer-events|class|xmlns(?::xlink)?|version"
    r'|opacity(?=="1"))="[^"]*"'
)
_EMPTY = re.compile(r'<path d=""(?: display="none")?/>|<path d="M0(?:\.5)?,0(?:\.5)?h[\d.]+v[\d.]+h-?[\d.]+Z"/>')
_DIGITS = re.compile(r"(\d+\.\d\d)\d+")
CONFIG: Spec = {
    "aria": False,
    "background": None,
    "font": "Liberation Sans",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _MUTED,
        "labelFontSize": 12,
        "gridColor": _RULE,
        "domain": False,
        "ticks": False,
        "labelPadding": 8,
        "title": None,
        "labelLineHeight": 15,
    },
    "text": {"color": _MUTED, "fontSize": 12},
}


@dataclass(frozen=True)
class Chart:
    """One chart in its two drawings, as SVG text."""

    wide: str
    narrow: str


def svg(spec: Spec) -> str:
    """The drawing of a specification, less all that inline SVG with a label of its own can do without."""
    import vl_convert

    text = vl_convert.vegalite_to_svg({**spec, "config": CONFIG}, vl_version=VEGA_LITE)
    text = _TAG.sub(lambda tag: _DIGITS.sub(r"\1", _NOISE.sub("", tag[0])), text)
    return _EMPTY.sub("", text)


def _both(spec: Spec, height: int, narrow: Spec | None = None) -> Chart:
    drawings = (
        {**spec, "width": WIDE, "height": height},
        {**(narrow or spec), "width": NARROW, "height": round(height * 0.85)},
    )
    return Chart(*(svg(drawing) for drawing in drawings))


def _time(periods: Sequence[Period], ticks: int) -> Spec:
    """An x axis over the periods' numbers; labels are thinned to `ticks`, the year stands where it changes."""
    step = max(1, -(-len(periods) // ticks))
    values = list(range(0, len(periods), step))
    labels: list[Any] = [""] * len(periods)
    coarse = None
    for value in values:
        fine, above = short(periods[value].first)
        labels[value] = [fine, above] if above and above != coarse else fine
        coarse = above
    domain = [-0.5, len(periods) - 0.5]
    axis = {"values": values, "labelExpr": f"{json.dumps(labels)}[datum.value]", "grid": False, "labelOverlap": False}
    return {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": domain, "nice": False, "zero": False},
        "axis": axis,
    }


def performance(metric: MetricView, periods: Sequence[Period]) -> Chart:
    """Expected and realised with their ranges; champions begin at the dashed lines, their promise is dotted."""
    return _both(performance_spec(metric, periods), 230, performance_spec(metric, periods, 6))


def performance_spec(metric: MetricView, periods: Sequence[Period], ticks: int = 14) -> Spec:
    """That chart's specification, from the first period that has anything to show."""
    both = zip(metric.realised, metric.expected, strict=True)
    known = [n for n, (seen, told) in enumerate(both) if seen.value is not None or told.value is not None]
    start = min([*known, *(mark.index for mark in metric.marks)])
    shown = replace(
        metric,
        expected=metric.expected[start:],
        realised=metric.realised[start:],
        marks=tuple(replace(mark, index=mark.index - start) for mark in metric.marks),
    )
    return _performance(shown, periods[start:], ticks)


def _performance(metric: MetricView, periods: Sequence[Period], ticks: int) -> Spec:
    x = _time(periods, ticks)
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "axis": {"tickCount": 5, "format": "~g"},
    }
    layers: list[Spec] = []
    if metric.marks:
        layers += _champions(metric, len(periods), x, y, 20 if ticks > 10 else 5)
    for points, colour in ((metric.expected, "var(--c2)"), (metric.realised, "var(--c1)")):
        layers += _line(points, colour, x, y, dash=points is metric.expected)
    if metric.threshold is not None:
        layers.append(
            {
                "data": {"values": [{"y": metric.threshold}]},
                "encoding": {"y": y},
                "mark": {"type": "rule", "color": "var(--bad)", "strokeDash": [1, 3], "strokeCap": "round"},
            }
        )
    return {"layer": layers, "data": {"values": []}, "padding": 4}


def together(view: TogetherView) -> Chart:
    """The number over what the training lets expect; what lies outside is red."""
    rows = [{"x": n, "y": item.value, "low": item.low, "high": item.high, "drifted": item.drifted}
            for n, item in enumerate(view.points) if item is not None]
    ranged = [row for row in rows if row["low"] is not None and row["high"] is not None]
    y = {"field": "y", "type": "quantitative", "scale": {"zero": False, "nice": True},
         "axis": {"tickCount": 4, "format": "~g"}}

    def spec(ticks: int) -> Spec:
        x = _time(view.periods, ticks)
        band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        area = {"type": "area" if len(ranged) > 1 else "rule", "color": "var(--then)", "interpolate": "step"}
        dots = {"type": "point", "filled": True, "size": 34 if len(rows) <= 24 else 14, "opacity": 1}
        layers: list[Spec] = [{"data": {"values": ranged}, "mark": area, "encoding": band}] if ranged else []
        if len(rows) > 1:
            line = {"type": "line", "color": "var(--c1)", "strokeWidth": 2, "strokeJoin": "round"}
            layers.append({"data": {"values": rows}, "mark": line, "encoding": {"x": x, "y": y}})
        for drifted, colour in ((False, "var(--c1)"), (True, "var(--bad)")):
            chosen = [row for row in rows if row["drifted"] is drifted]
            if chosen:
                encoding = {"x": x, "y": y}
                layers.append({"data": {"values": chosen}, "mark": {**dots, "color": colour}, "encoding": encoding})
        return {"layer": layers, "data": {"values": []}, "padding": 4}

    return _both(spec(14), 130, spec(6))


def _line(points: Sequence[Point], colour: str, x: Spec, y: Spec, *, dash: bool) -> list[Spec]:
    """A line with its band; a point without neighbours gets a bar for its range instead."""
    rows = [{"x": n, "y": point.value, "low": point.low, "high": point.high} for n, point in enumerate(points)]
    known = [row for row in rows if row["y"] is not None]
    if not known:
        return []
    band, line = {**y, "field": "low"}, {"type": "line", "color": colour, "strokeWidth": 2, "strokeJoin": "round"}
    runs, dots = _runs(rows), {"type": "point", "filled": True, "size": 34 if len(known) <= 24 else 12, "opacity": 1}
    layers: list[Spec] = []
    for run in runs:
        ranged = [row for row in run if row["low"] is not None and row["high"] is not None]
        mark = {
            "type": "area" if len(ranged) > 1 else "rule",
            "color": colour,
            "opacity": 0.16 if len(ranged) > 1 else 0.5,
        }
        if ranged:
            layers.append(
                {"data": {"values": ranged}, "mark": mark, "encoding": {"x": x, "y": band, "y2": {"field": "high"}}}
            )
        if len(run) > 1:
            layers.append(
                {
                    "data": {"values": run},
                    "encoding": {"x": x, "y": y},
                    "mark": {**line, **({"strokeDash": [6, 4]} if dash else {})},
                }
            )
    hollow = {"fill": "var(--surface)", "stroke": colour, "strokeWidth": 1.5} if dash else {"color": colour}
    return [*layers, {"data": {"values": known}, "encoding": {"x": x, "y": y}, "mark": {**dots, **hollow}}]


def _runs(rows: list[Spec]) -> list[list[Spec]]:
    """Stretches of neighbouring rows that have a value."""
    runs: list[list[Spec]] = [[]]
    for row in rows:
        if row["y"] is None:
            runs.append([])
        else:
            runs[-1].append(row)
    return [run for run in runs if run]


def _champions(metric: MetricView, count: int, x: Spec, y: Spec, labels: int) -> list[Spec]:
    marks = metric.marks
    ends = [mark.index for mark in marks[1:]] + [count]
    rules: list[Spec] = [{"x": mark.index - 0.5, "name": f"v{mark.version}"[:12]} for mark in marks]
    named = rules[:: max(1, -(-len(rules) // labels))]
    ahead = [rule for rule in named if rule["x"] > count - 1]
    text = {"type": "text", "align": "left", "dx": 4, "baseline": "top", "y": 0, "fontWeight": "bold"}
    steps = [
        {"x": mark.index - 0.5, "x2": end - 0.5, "y": mark.promised}
        for mark, end in zip(marks, ends, strict=True)
        if mark.promised is not None and end > mark.index
    ]
    layers: list[Spec] = [
        {
            "data": {"values": rules},
            "encoding": {"x": x},
            "mark": {"type": "rule", "color": _MUTED, "strokeDash": [3, 3], "opacity": 0.6},
        },
    ]
    for rows, mark in ((named[: len(named) - len(ahead)], text), (ahead, {**text, "align": "right", "dx": -4})):
        encoding = {"x": x, "text": {"field": "name"}}
        layers += [{"data": {"values": rows}, "encoding": encoding, "mark": mark}] if rows else []
    if steps:
        layers.append(
            {
                "data": {"values": steps},
                "encoding": {"x": x, "x2": {"field": "x2"}, "y": y},
                "mark": {
                    "type": "rule",
                    "color": _MUTED,
                    "strokeWidth": 1.5,
                    "strokeDash": [1, 3],
                    "strokeCap": "round",
                },
            }
        )
    return layers


def distribution(view: DistributionView) -> str:
    """Shares of rows then (wide pale bars) and now (narrow strong ones). One drawing: it fits a phone."""
    return _histogram(view) if view.numeric else _bars(view)


def _histogram(view: DistributionView) -> str:
    rows = [{"x": n, "x2": n + 1, "m": n + 0.5, "then": item.then, "now": item.now} for n, item in enumerate(view.bins)]
    count = len(rows)
    step = max(1, -(-count // 6))
    labels = [edge if n % step == 0 and (n + step <= count or n == count) else "" for n, edge in enumerate(view.edges)]
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [0, count], "nice": False},
        "axis": {
            "values": [n for n, label in enumerate(labels) if label],
            "grid": False,
            "labelOverlap": False,
            "labelExpr": f"{json.dumps(labels)}[datum.value]",
        },
    }
    y = {"type": "quantitative", "axis": {"format": "~%", "tickCount": 3}}
    layers = [
        {
            "mark": {"type": "rect", "color": "var(--then)", "stroke": "var(--surface)", "strokeWidth": 1},
            "encoding": {"x": x, "x2": {"field": "x2"}, "y": {**y, "field": "then"}, "y2": {"datum": 0}},
        },
        {
            "mark": {"type": "bar", "color": "var(--c1)", "width": max(2, round(NARROW / count * 0.36))},
            "encoding": {"x": {**x, "field": "m"}, "y": {**y, "field": "now"}},
        },
    ]
    return svg({"data": {"values": rows}, "layer": layers, "width": NARROW - 30, "height": 130, "padding": 4})


def _bars(view: DistributionView) -> str:
    rows = [{"n": n, "then": item.then, "now": item.now} for n, item in enumerate(view.bins)]
    labels = [item.label if len(item.label) <= 16 else f"{item.label[:15]}…" for item in view.bins]
    y = {
        "field": "n",
        "type": "ordinal",
        "scale": {"paddingInner": 0.25},
        "axis": {"grid": False, "labelExpr": f"{json.dumps(labels)}[datum.value]", "labelLimit": 120},
    }
    x = {"type": "quantitative", "axis": {"format": "~%", "tickCount": 3}}
    layers = [
        {"mark": {"type": "bar", "color": "var(--then)"}, "encoding": {"y": y, "x": {**x, "field": "then"}}},
        {
            "mark": {"type": "bar", "color": "var(--c1)", "height": {"band": 0.36}},
            "encoding": {"y": y, "x": {**x, "field": "now"}},
        },
    ]
    return svg(
        {
            "data": {"values": rows},
            "layer": layers,
            "width": NARROW - 90,
            "height": max(130, 15 * len(rows)),
            "padding": 4,
        }
    )


def trials(trainings: Sequence[TrainingView], families: Sequence[str]) -> Chart:
    """Each trial's loss by training, coloured by model family; the chosen one is large."""
    ordered = list(reversed(trainings))
    periods = [Period(training.interval, training.interval) for training in ordered]
    rows = []
    for n, training in enumerate(ordered):
        tried = [trial for trial in training.trials if trial.loss is not None and not trial.stopped]
        for place, trial in enumerate(sorted(tried, key=lambda trial: trial.number)):
            spread = (place + 0.5) / len(tried) - 0.5
            rows.append(
                {
                    "x": n + spread * 0.6,
                    "y": trial.loss,
                    "chosen": trial.chosen,
                    "family": min(families.index(trial.family), FAMILIES - 1),
                }
            )
    colour = {
        "field": "family",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": list(range(FAMILIES)), "range": [f"var(--c{n + 1})" for n in range(FAMILIES)]},
    }
    y = {"field": "y", "type": "quantitative", "scale": {"zero": False}, "axis": {"tickCount": 4, "format": "~g"}}

    def spec(ticks: int) -> Spec:
        encoding = {"x": _time(periods, ticks), "y": y}
        ring = {"type": "point", "size": 190, "stroke": _INK, "strokeWidth": 1.5, "opacity": 1}
        dots = {"type": "point", "filled": True, "size": 40, "opacity": 0.85}
        chosen = [row for row in rows if row["chosen"]]
        return {
            "layer": [
                {"data": {"values": rows}, "mark": dots, "encoding": {**encoding, "color": colour}},
                {"data": {"values": chosen}, "mark": ring, "encoding": encoding},
            ],
            "padding": 4,
        }

    return _both(spec(12), 170, spec(5))
