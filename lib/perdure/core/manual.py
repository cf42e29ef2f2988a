"""The pipeline file's reference for people, written from its types: every section, key, type, default and meaning."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from . import registry
from .conditions import CONDITIONS
from .config import Pipeline
from .interval import Duration

_HEAD = """# The pipeline file

Every section and key, written from the types that read the file (`python -m perdure.core.manual` renews this page).
`jobs/check.py PIPELINE` tells every problem of a file in one go; editors complete it from
[`pipeline.schema.json`](pipeline.schema.json). A duration is a count and a unit: `15 minutes`, `1 day`, `12 months`. A
time is a date, or a date and time in UTC: `2013-01`, `2013-01-01T06:00`. Secrets are written as `${env:NAME}`, read
when used and never stored. A target may override any other section.
"""
_WORDS: dict[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Duration: "duration", datetime: "time",
    Any: "any value",
}  # fmt: skip
_NAMES = (
    ("`format` of a source", "perdure.sources"), ("`families` of the model", "perdure.models"),
    ("metrics, wherever one is named", "perdure.evaluation.metrics"),
    ("drift statistics (`monitor.thresholds`, condition `drift`)", "perdure.drift"),
)  # fmt: skip
_BOUNDS = ((Ge, "ge", "from {}"), (Gt, "gt", "above {}"), (Le, "le", "to {}"), (Lt, "lt", "below {}"))


def manual() -> str:
    """The page in Markdown: one table a section, in the order in which the sections refer to each other."""
    parts = [_HEAD]
    for section in _sections():
        name = "The file" if section is Pipeline else section.__name__
        told = " ".join((section.__doc__ or "").split())
        if section is next(iter(CONDITIONS.values())):
            links = ", ".join(f"[`{key}`](#{each.__name__.lower()})" for key, each in CONDITIONS.items())
            parts.append(f"## Conditions\n\nOf the evidence at an interval's end, told apart by their key: {links}.\n")
        parts.append(f"## {name}\n\n{told}\n\n| key | holds | default | |\n|---|---|---|---|\n"
                     + "\n".join(_row(key, field) for key, field in _fields(section)) + "\n")
    names = "\n".join(f"- {what}: {', '.join(f'`{name}`' for name in registry.names(room))}" for what, room in _NAMES)
    return "\n".join([*parts, f"## Names that values are chosen from\n\n{names}\n"])


def described() -> list[tuple[str, str]]:
    """Each key as `Section.key`, with what the page tells of it."""
    return [(f"{section.__name__}.{key}", _told(field)) for section in _sections() for key, field in _fields(section)]


def _sections() -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = [Pipeline]
    for section in found:
        for _, field in _fields(section):
            found += [each for each in _inner(field.annotation) if each not in found]
    return found


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


def _fields(section: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in section.model_fields.items() if not field.exclude]


def _row(key: str, field: FieldInfo) -> str:
    limits = [text.format(f"{getattr(bound, name):g}") for kind, name, text in _BOUNDS
              for bound in field.metadata if isinstance(bound, kind)]
    holds = " ".join([_holds(field.annotation), *limits])
    return f"| `{key}` | {holds} | {_default(field)} | {_told(field)} |".replace("  |", " |")


def _told(field: FieldInfo) -> str:
    return field.description or " ".join(_sentence(section) for section in _inner(field.annotation))


def _sentence(section: type[BaseModel]) -> str:
    """The first sentence or clause of a section's own description, to stand in a row."""
    told = re.split(r"[.:] ", " ".join((section.__doc__ or "").split()) + " ")[0]
    return told[0].lower() + told[1:]


def _holds(annotation: Any) -> str:
    """A type in words; a section is a link."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _holds(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return _either([part for part in arguments if part is not types.NoneType])
    if origin is tuple:
        return f"list of {_holds(arguments[0])}"
    if origin is dict:
        return f"for each {_holds(arguments[0])}: {_holds(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _either(parts: list[Any]) -> str:
    inner = [each for part in parts for each in _inner(part)]
    if len(inner) == len(CONDITIONS):
        return " or ".join([*(_holds(part) for part in parts if not list(_inner(part))), "[condition](#conditions)"])
    return " or ".join(_holds(part) for part in parts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if value is None or value in ((), {}, "") or isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        return "all" if set(value) == set(_choices(field.annotation)) else ", ".join(f"`{each}`" for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`"


def _choices(annotation: Any) -> list[Any]:
    return [value for part in get_args(annotation) if get_origin(part) is Literal for value in get_args(part)]


if __name__ == "__main__":
    page = Path(__file__).parents[3] / "docs" / "pipeline-file.md"
    page.write_text(manual(), encoding="utf-8")
