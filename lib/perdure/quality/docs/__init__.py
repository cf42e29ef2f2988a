"""Great Expectations' Data Docs as a folder of pages that need no network.

Content and layout are Great Expectations' own (its renderers and its templates); the templates that load styles and
scripts from the net are replaced by those beside this file. Bootstrap 4.3.1's style sheet (MIT licence) is part of it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..results import loaded, quiet

_COLUMNS = {
    "class_name": "ValidationResultsColumnSectionRenderer",
    "table_renderer": {"class_name": "Rows", "module_name": f"{__name__}.rows"},
}
_STATIC = ("bootstrap.min.css", "docs.css", "docs.js")


@dataclass(frozen=True)
class Validated:
    """One validation: source, interval, when it was run (ISO 8601), its run id, and Great Expectations' result."""

    source: str
    interval: str
    at: str
    run_id: str
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A written page: its path below the site, and what the index says of it."""

    path: str
    passed: bool
    held: int
    all: int


def write_site(name: str, validations: Iterable[Validated], folder: Path) -> Path:
    """Writes a page for each validation and an index; gives the index's path. A page that is there already for the same
    run is left alone, so that only new validations cost something. `name`: the pipeline's."""
    pages: dict[str, dict[str, Page]] = {}
    for one in validations:
        pages.setdefault(one.interval, {})[one.source] = _page(name, one, folder)
    static = folder / "static"
    static.mkdir(parents=True, exist_ok=True)
    for file in _STATIC:
        (static / file).write_text(_text(file), encoding="utf-8")
    sources = sorted({source for found in pages.values() for source in found})
    view = _view()
    rows = view.env.get_template("index.j2").render(site_name=name, sources=sources, rows=sorted(pages.items()))
    index = folder / "index.html"
    _write(index, view, {"page_title": name, "root": "", "site_name": name, "index": _safe(rows)})
    return index


def _page(name: str, one: Validated, folder: Path) -> Page:
    statistics = one.result["statistics"]
    path = f"validations/{_plain(one.source)}/{_plain(one.interval)}-{one.run_id[:12]}.html"
    page = Page(path, bool(one.result["success"]), statistics["successful_expectations"],
                statistics["evaluated_expectations"])  # fmt: skip
    if not (folder / path).exists():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        document = _document(one)
        document["page_title"] = f"{one.source} {one.interval}"
        _write(folder / path, _view(), {**document, "root": "../../", "site_name": name})
    return page


def _document(one: Validated) -> dict[str, Any]:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    meta = {"run_id": {"run_name": one.run_id[:12], "run_time": one.at},
            "batch_spec": {"source": one.source, "interval": one.interval}}  # fmt: skip
    with quiet():
        page = ValidationResultsPageRenderer(column_section_renderer=_COLUMNS).render(loaded(one.result, meta))
    found: dict[str, Any] = page.to_json_dict()
    for section in found["sections"]:
        _escape(section)
    return found


def _escape(section: dict[str, Any]) -> None:
    """A section is named by its column, whose name is data; Great Expectations takes it for HTML."""
    section["section_name"] = html.escape(section.get("section_name") or "")
    for block in section["content_blocks"]:
        header = block.get("header")
        if block["content_block_type"] == "header" and isinstance(header, dict):
            header["string_template"]["template"] = html.escape(header["string_template"]["template"])


@cache
def _view() -> Any:
    """Great Expectations' view, which finds our templates before its own."""
    from great_expectations.render.view.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, DictLoader

    view: Any = DefaultJinjaPageView()
    names = ("page.j2", "index.j2", "page_action_card.j2", "graph.j2")
    view.env.loader = ChoiceLoader([DictLoader({name: _text(name) for name in names}), view.env.loader])
    return view


def _write(path: Path, view: Any, document: Mapping[str, Any]) -> None:
    styles = view.env.get_template("data_docs_default_styles.css").render()
    without_net = re.sub(r"url\('https?:[^']*'\)", "none", styles)
    page = view.env.get_template("page.j2").render({**document, "styles": _safe(without_net)})
    path.write_text(page, encoding="utf-8")


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _plain(text: str) -> str:
    """As a file's name may hold it."""
    return re.sub(r"[^\w.-]", "_", text)
