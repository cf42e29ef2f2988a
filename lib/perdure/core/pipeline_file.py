"""Reads a pipeline file: YAML with line numbers, targets, and every problem told in one go."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from .conditions import CONDITIONS
from .config import Pipeline
from .errors import PipelineFileError, UsageError
from .references import problems_of
from .registry import did_you_mean

Path_ = tuple[Any, ...]
_MARKERS = ("spark-submit.sh", "setup.cfg", ".git")
_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


class Document:
    """A YAML document as plain values, with the line of every key and the problems met on the way."""

    def __init__(self, file: str) -> None:
        """`file`: the name that messages carry."""
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.problems: list[str] = []

    def line(self, path: Path_) -> int:
        """The line of the nearest known ancestor of `path`."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path_, text: str) -> None:
        """Notes a problem at the line of `path`."""
        self.problems.append(f"{self.file}:{self.line(path)}: {text}")

    def value(self, node: yaml.Node, path: Path_ = (), above: tuple[yaml.Node, ...] = ()) -> Any:
        """The plain value of a YAML node; double keys and aliases that contain themselves are noted as problems."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node in above:
            self.problem(path, "this alias (*) contains itself: a cyclic reference; write the value out instead")
            return None
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        try:
            return _Scalars().construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            self.problem(path, f"can't be read as a value: {error}")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path_, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            where = (*path, key)
            if key in result:
                self.problem(where, f"'{key}' stands here and again on line {key_node.start_mark.line + 1}")
            self.lines[where] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, where, (*above, node))
        return result


class _Scalars(yaml.constructor.SafeConstructor):
    """YAML scalars; times stay text, so that `2013-01-01` and `2013-01` are read by one rule."""

    yaml_constructors: ClassVar[Any] = {
        **yaml.constructor.SafeConstructor.yaml_constructors,
        "tag:yaml.org,2002:timestamp": yaml.constructor.SafeConstructor.construct_yaml_str,
    }


def load(file: str | Path, target: str | None = None) -> Pipeline:
    """The pipeline in `file`, with `target` (or the default one) chosen. Raises PipelineFileError with every
    problem found: unknown keys, wrong types, missing files, undefined names, cyclic references."""
    path = Path(file).absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineFileError([f"{file}: expected a readable UTF-8 pipeline file: {error}"]) from error
    document = Document(str(file))
    data = _parse(text, document)
    chosen = _choose_target(data, target, document)
    pipeline = _build(_merged(data, chosen, document), document)
    if pipeline is not None:
        pipeline = pipeline.model_copy(update={"root": _root(path), "target": chosen})
        for where, message in problems_of(pipeline):
            document.problem(where, message)
    if pipeline is None or document.problems:
        raise PipelineFileError(sorted(set(document.problems), key=_by_line))
    return pipeline


def resolve_secrets(value: str) -> str:
    """`value` with each `${env:NAME}` replaced from the environment. Raises UsageError when one is missing."""

    def replaced(match: re.Match[str]) -> str:
        found = os.environ.get(match.group(1))
        if found is None:
            raise UsageError(f"the pipeline file asks for the environment variable {match.group(1)}, which isn't set")
        return found

    return _ENV.sub(replaced, value)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of pipeline files, for editors. Targets may override any section."""
    schema = Pipeline.model_json_schema(by_alias=True)
    properties = schema["properties"]
    for hidden in ("root", "target"):
        properties.pop(hidden)
    overrides = {name: {"type": properties[name].get("type", "object")} for name in _overridable()}
    schema["$defs"]["Target"]["properties"].update(overrides)
    schema["$defs"]["Target"]["required"] = []
    return schema


def _overridable() -> tuple[str, ...]:
    parts = ("features", "label", "model", "train", "gate", "monitor", "retrain")
    return (*parts, "alerts", "publish", "sources", "landing")


def _by_line(problem: str) -> tuple[int, str]:
    match = re.search(r":(\d+): ", problem)
    return (int(match.group(1)) if match else 0, problem)


def _root(path: Path) -> Path:
    """The nearest folder, at the file or above, that looks like a project; else the file's own."""
    return next((up for up in path.parents if any((up / mark).exists() for mark in _MARKERS)), path.parent)


def _parse(text: str, document: Document) -> dict[str, Any]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise PipelineFileError([f"{document.file}:{line}: expected YAML: {reason}"]) from error
    data = document.value(node) if node is not None else None
    if not isinstance(data, dict):
        raise PipelineFileError([f"{document.file}:1: expected a mapping that begins with 'pipeline: NAME'"])
    return data


def _choose_target(data: dict[str, Any], wanted: str | None, document: Document) -> str:
    targets = data.get("targets")
    if not isinstance(targets, dict) or not targets:
        return ""
    if wanted is not None:
        if wanted not in targets:
            raise UsageError(
                f"{document.file}:{document.line(('targets',))}: no target '{wanted}'"
                f"{did_you_mean(wanted, targets)}; it has: {', '.join(targets)}"
            )
        return wanted
    defaults = [name for name, body in targets.items() if isinstance(body, dict) and body.get("default") is True]
    if len(defaults) > 1 or (not defaults and len(targets) > 1):
        document.problem(("targets",), f"expected exactly one target with 'default: true', found {defaults or 'none'}")
    return str((defaults or list(targets))[0])


def _merged(data: dict[str, Any], chosen: str, document: Document) -> dict[str, Any]:
    """The file with each target's `extends` resolved and the chosen target's section overrides laid over it."""
    targets = data.get("targets")
    if not isinstance(targets, dict):
        return data
    resolved = {name: _extended(name, targets, document) for name in targets}
    for name in _overridable():
        for target, body in resolved.items():
            override = body.pop(name, None)
            if target == chosen and override is not None:
                _copy_lines(document, _owner(target, name, targets), (name,))
                data = {**data, name: _deep_merge(data.get(name), override)}
    return {**data, "targets": resolved}


def _owner(target: str, section: str, targets: dict[str, Any]) -> Path_:
    while section not in (body := _mapping_of(targets, target)) and body.get("extends") in targets:
        target = body["extends"]
    return ("targets", target, section)


def _copy_lines(document: Document, source: Path_, goal: Path_) -> None:
    for path in [path for path in document.lines if path[: len(source)] == source]:
        document.lines[goal + path[len(source) :]] = document.lines[path]


def _extended(name: str, targets: dict[str, Any], document: Document) -> dict[str, Any]:
    chain = [name]
    result = dict(targets[name]) if isinstance(targets[name], dict) else {}
    while isinstance(parent := _mapping_of(targets, chain[-1]).get("extends"), str):
        where = ("targets", chain[-1], "extends")
        if parent not in targets:
            document.problem(where, f"extends '{parent}', which isn't a target{did_you_mean(parent, targets)}")
            break
        if parent in chain:
            document.problem(where, f"cyclic reference: {' -> '.join([*chain, parent])}")
            break
        inherited = {key: value for key, value in _mapping_of(targets, parent).items() if key != "default"}
        result = _deep_merge(inherited, result)
        chain.append(parent)
    return result


def _mapping_of(targets: dict[str, Any], name: str) -> dict[str, Any]:
    body = targets.get(name)
    return body if isinstance(body, dict) else {}


def _deep_merge(below: Any, above: Any) -> Any:
    """`above` laid over `below`; mappings merge, but a condition (`when`) or any other value replaces."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = value if key == "when" else _deep_merge(below.get(key), value)
    return merged


def _build(data: dict[str, Any], document: Document) -> Pipeline | None:
    try:
        return Pipeline.model_validate(data)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            where, message = _explain(item, data)
            document.problem(where, message)
        return None


def _explain(item: Any, data: dict[str, Any]) -> tuple[Path_, str]:
    """The document path of a pydantic error and a message that says what was expected."""
    where = tuple(_document_path(item["loc"], data))
    name = ".".join(str(part) for part in where)
    kind, found = item["type"], item.get("input")
    if kind == "extra_forbidden":
        known = _known_keys(item["loc"][:-1])
        return (
            where,
            f"unknown key '{name}'{did_you_mean(str(where[-1]), known)}; expected one of: {', '.join(known)}",
        )
    if kind == "missing":
        return where, f"'{name}' is missing"
    message = item["msg"].removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        types = "boolean, int, bigint, double, string, date, timestamp, decimal(p, s)"
        wanted = f"a SQL type: {types}" if "schema" in where else "a lower-case name (a-z, 0-9, _)"
        message = f"expected {wanted}" + (did_you_mean(str(found), types.split(", ")) if "schema" in where else "")
    return (
        where,
        f"'{name}': {message}, found {found!r}" if "found" not in message else f"'{name}': {message}",
    )


def _document_path(loc: tuple[Any, ...], data: Any) -> Iterator[Any]:
    """`loc` less the union tags that pydantic adds and the document doesn't have."""
    here = data
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(part, str) and part.startswith("~"):
            continue
        if isinstance(here, dict) and (part in here or (last and part != "[key]")):
            yield part
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            yield part
            here = here[part]


def _known_keys(loc: tuple[Any, ...]) -> list[str]:
    """The keys that the section at `loc` knows."""
    section: type[BaseModel] = Pipeline
    for part in loc:
        tag, key = str(part).startswith("~"), str(part).removeprefix("~")
        section = (CONDITIONS.get(key) if tag else _section_below(section, key)) or section
    known = [field.alias or name for name, field in section.model_fields.items()]
    return [name for name in known if name not in ("root", "target")]


def _section_below(section: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The section that a key of `section` holds, alone or many of them; None for a plain value or a condition."""
    field = next((field for name, field in section.model_fields.items() if key in (name, field.alias)), None)
    found = set(_sections(field.annotation)) if field else set()
    return found.pop() if len(found) == 1 else None


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


if __name__ == "__main__":
    schema_file = Path(__file__).parents[3] / "docs" / "pipeline.schema.json"
    schema_file.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
