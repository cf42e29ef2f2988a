"""One chart as a PNG, to go with a notice: the drift of the worst columns through time, or how good the model was."""

from __future__ import annotations

import json
import re
from typing import Any

from . import charts, performance
from .data import ReportData
from .drift import DriftView, heat
from .timeline import Timeline
from .words import short

COLUMNS, PERIODS = 12, 24
_COLOURS = {"ink": "#1c1c1a", "muted": "#63625d", "rule": "#e3e1da", "surface": "#ffffff", "c1": "#2563a8",
            "c2": "#b45309", "bad": "#b91c1c", "then": "#d6d3c9"}
_VARIABLE = re.compile(r"var\(--([a-z0-9]+)\)")
_SHADES = ["#f5f4f0", "#fbe3c8", "#f5b97e", "#e07b39", "#a83d12"]
_SCALE = 2


def picture(data: ReportData, *, drift: bool) -> bytes | None:
    """The heat map where `drift` is asked for and was measured, else the model's own metric; None without either."""
    timeline = Timeline.of(data)
    view = heat(data, timeline) if drift else None
    if view is not None:
        return _png(_heat(view), f"Drift of {data.pipeline.name} ({view.statistic.replace('_', ' ')})")
    metrics = performance.metrics(data, timeline)
    own = next((item for item in metrics if item.metric == data.pipeline.metric and item.latest), None)
    if own is None:
        return None
    spec = charts.performance_spec(own, timeline.periods)
    return _png({**spec, "width": 900, "height": 230}, f"{own.metric.replace('_', ' ')} of {data.pipeline.name}")


def _heat(view: DriftView) -> dict[str, Any]:
    periods = view.periods[-PERIODS:]
    skipped = len(view.periods) - len(periods)
    labels = [" ".join(part for part in short(period.first) if part) for period in periods]
    rows = [
        {"x": n, "y": row, "level": cell.level, "text": f"{cell.value:.2f}"}
        for row, line in enumerate(view.rows[:COLUMNS])
        for n, cell in enumerate(line.cells[skipped:])
        if cell.value is not None
    ]
    names = [line.column for line in view.rows[:COLUMNS]]

    def axis(field: str, words: list[str], **more: Any) -> dict[str, Any]:
        told = {"labelExpr": f"{json.dumps(words)}[datum.value]", "labelLimit": 180, "grid": False, **more}
        return {"field": field, "type": "ordinal", "axis": told}

    place = {"x": axis("x", labels, labelAngle=-45), "y": axis("y", names)}
    shade = {"field": "level", "type": "ordinal", "legend": None,
             "scale": {"domain": list(range(len(_SHADES))), "range": _SHADES}}
    ink = {"condition": {"test": "datum.level > 3", "value": "#ffffff"}, "value": _COLOURS["ink"]}
    text = {"mark": {"type": "text", "fontSize": 10}, "encoding": {"text": {"field": "text"}, "color": ink}}
    layers = [{"mark": {"type": "rect", "stroke": "#ffffff"}, "encoding": {"color": shade}}]
    return {"data": {"values": rows}, "encoding": place, "layer": [*layers, *([text] if len(periods) <= 16 else [])],
            "width": {"step": 46 if len(periods) <= 16 else 28}, "height": {"step": 24}}


def _png(spec: dict[str, Any], title: str) -> bytes:
    import vl_convert

    whole = {**spec, "title": {"text": title, "anchor": "start", "fontSize": 14}, "padding": 12,
             "config": {**charts.CONFIG, "background": "#ffffff"}}
    text = _VARIABLE.sub(lambda name: _COLOURS.get(name[1], "#63625d"), json.dumps(whole))
    found: bytes = vl_convert.vegalite_to_png(json.loads(text), vl_version=charts.VEGA_LITE, scale=_SCALE)
    return found
