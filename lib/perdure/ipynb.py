"""Notebooks from Databricks source (.py) to Jupyter (.ipynb) and back, without a loss: the .py is the one that is kept.

Source is plain Python: a first line that says so, cells between `# COMMAND ----------` lines, and in cells of another
kind (`%md`, `%sql`, ...) every line behind `# MAGIC`.
"""

from __future__ import annotations

import json
from typing import Any

HEAD = "# Databricks notebook source\n"
BETWEEN = "\n\n# COMMAND ----------\n\n"
MAGIC = "# MAGIC"
_MARKDOWN = "%md"
_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def to_ipynb(source: str) -> str:
    """The .ipynb of a notebook's source. Raises ValueError when it isn't Databricks source."""
    if not source.startswith(HEAD):
        raise ValueError(f"expected a first line {HEAD.strip()!r}, found {source.partition(chr(10))[0]!r}")
    cells = [_cell(number, text) for number, text in enumerate(source.removeprefix(HEAD).rstrip("\n").split(BETWEEN))]
    notebook = {"cells": cells, "metadata": _KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def to_source(notebook: str) -> str:
    """The source of an .ipynb, its outputs left out. Raises ValueError when it isn't one."""
    found = json.loads(notebook)
    if "cells" not in found:
        raise ValueError("expected a Jupyter notebook (.ipynb, version 4), found no cells")
    return HEAD + BETWEEN.join(_text(cell) for cell in found["cells"]) + "\n"


def _cell(number: int, text: str) -> dict[str, Any]:
    lines = text.strip("\n").split("\n")
    code: dict[str, Any] = {"execution_count": None, "outputs": []}
    kind, body, more = "code", "\n".join(lines), code
    if all(line.startswith(MAGIC) for line in lines):
        body = "\n".join(line.removeprefix(MAGIC).removeprefix(" ") for line in lines)
        if body.startswith(f"{_MARKDOWN}\n"):
            kind, more, body = "markdown", {}, body.removeprefix(f"{_MARKDOWN}\n")
        else:  # a Jupyter cell magic has two marks, and is told by its metadata from one written with two
            body, more = f"%{body}", {**code, "metadata": {"magic": True}}
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, **more, "source": body.splitlines(keepends=True)}


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    body = source if isinstance(source, str) else "".join(source)
    if cell["cell_type"] == "markdown":
        body = f"{_MARKDOWN}\n{body}"
    elif cell.get("metadata", {}).get("magic") or body.startswith("%%"):
        body = body.removeprefix("%")
    else:
        return body.strip("\n")
    return "\n".join(f"{MAGIC} {line}" if line else MAGIC for line in body.split("\n"))
