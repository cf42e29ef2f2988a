"""The report in its three forms: a self-contained HTML page, Markdown and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from . import charts, sketch, words
from .card import CardFacts, day
from .card import build as build_card
from .data import ReportData
from .performance import CHARTS
from .view import View, build

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")


def render(data: ReportData) -> str:
    """The page as HTML: no script, no request to anywhere; equal data make an equal page."""
    view = build(data)
    style = Markup(_text("style.css"))
    return _environment().get_template("page.html.j2").render(view=view, style=style, **_drawn(view))


def to_markdown(data: ReportData) -> str:
    """The page's content as Markdown: tables instead of charts."""
    text = _environment().get_template("report.md.j2").render(view=build(data))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def card(facts: CardFacts) -> str:
    """A model card as HTML, in the report's looks: no script, no request to anywhere."""
    view = build_card(facts)
    style = Markup(_text("style.css") + _text("card.css"))
    drawn = {
        "calibration": sketch.calibration(view.calibration) if view.calibration else "",
        "curves": [sketch.curve(each["points"], view.curve_bounds, binary=view.binary) if each["kind"] == "number"
                   else "" for each in view.curves],
    }  # fmt: skip
    return _environment().get_template("card.html.j2").render(view=view, style=style, drawn=drawn)


def card_markdown(facts: CardFacts) -> str:
    """A model card as Markdown: tables instead of drawings."""
    text = _environment().get_template("card.md.j2").render(view=build_card(facts))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def to_json(data: ReportData) -> str:
    """The page's content as JSON, sorted by key; intervals as labels, numbers unrounded."""
    return json.dumps(asdict(build(data)), indent=1, sort_keys=True, default=str, ensure_ascii=False)


def _drawn(view: View) -> dict[str, object]:
    """The charts that the page's templates put in their places."""
    families = sorted({trial.family for training in view.trainings for trial in training.trials})
    shown = [metric for metric in view.metrics if metric.latest or metric.estimated][:CHARTS]
    tried = any(trial.loss is not None for training in view.trainings for trial in training.trials)
    return {
        "families": families,
        "shown": [(metric, _safe(charts.performance(metric, view.periods))) for metric in shown],
        "distributions": [(item, Markup(charts.distribution(item))) for item in view.distributions],
        "together": [(watched, _safe(charts.together(watched))) for watched in view.together],
        "trials": _safe(charts.trials(view.trainings, families)) if tried else None,
    }


def _safe(chart: charts.Chart) -> charts.Chart:
    """A chart whose text templates take as markup: vl-convert has escaped what came from the data."""
    return charts.Chart(Markup(chart.wide), Markup(chart.narrow))


def _text(name: str) -> str:
    return resources.files("perdure.report.templates").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    """Templates come from the package, also when it is a zip. HTML escapes by itself, Markdown by its own filter."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        whole=words.whole,
        compact=words.compact,
        figure=words.figure,
        plain="{:g}".format,
        share=words.share,
        duration=words.duration,
        moment=words.moment,
        day=day,
        word=words.title,
        md=_markdown,
        label=words.period,
        when=words.when,
        capital=lambda text: text[:1].upper() + text[1:],
        period=lambda value: words.period(value.first, value.last),
    )
    environment.globals.update(terms=words.TERMS, zip=zip)
    return environment


def _markdown(text: object) -> str:
    """Text that Markdown and the HTML in it can't take for markup, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split())).replace("&", "&amp;").replace("\\<", "&lt;")
