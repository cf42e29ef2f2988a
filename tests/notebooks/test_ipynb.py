"""Notebooks there and back again."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from perdure import ipynb
from perdure.cli_operate import notebook_

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))
LINE = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=("Cc",)), min_size=1, max_size=20)
PROSE = st.lists(LINE, min_size=1, max_size=4)
CODE = PROSE.filter(lambda lines: not lines[0].startswith(("#", "%")) and not any(ipynb.MAGIC in each for each in lines))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_ours_come_back_as_they_were(file: Path) -> None:
    source = file.read_text()
    notebook = json.loads(ipynb.to_ipynb(source))
    assert ipynb.to_source(json.dumps(notebook)) == source
    assert {cell["cell_type"] for cell in notebook["cells"]} == {"markdown", "code"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))
        else:
            assert "# MAGIC" not in "".join(cell["source"])


@given(st.lists(st.tuples(st.sampled_from(["python", "md", "sql"]), CODE), min_size=1, max_size=5))
def test_any_cells_come_back(cells: list[tuple[str, list[str]]]) -> None:
    def text(kind: str, lines: list[str]) -> str:
        return "\n".join(lines) if kind == "python" else "\n".join(f"# MAGIC {line}" for line in (f"%{kind}", *lines))

    source = ipynb.HEAD + ipynb.BETWEEN.join(text(*cell) for cell in cells) + "\n"
    notebook = ipynb.to_ipynb(source)
    assert ipynb.to_source(notebook) == source
    assert ipynb.to_ipynb(ipynb.to_source(notebook)) == notebook


def test_the_job(tmp_path: Path) -> None:
    source = tmp_path / "tour.py"
    source.write_text(NOTEBOOKS[0].read_text())
    assert CliRunner().invoke(notebook_, [str(source)]).exit_code == 0
    again = CliRunner().invoke(notebook_, [str(source)])
    assert again.exit_code == 2 and "--force" in again.output
    back = tmp_path / "back.py"
    assert CliRunner().invoke(notebook_, [str(tmp_path / "tour.ipynb"), "--output", str(back)]).exit_code == 0
    assert back.read_text() == source.read_text()
    (tmp_path / "plain.py").write_text("print(1)\n")
    plain = CliRunner().invoke(notebook_, [str(tmp_path / "plain.py")])
    assert plain.exit_code == 2 and "Databricks notebook source" in plain.output
