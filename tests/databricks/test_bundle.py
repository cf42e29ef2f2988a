"""The Databricks bundle: it has the form that a bundle has, and its jobs are the command line's own.

`databricks bundle schema >FILE` and PERDURE_BUNDLE_SCHEMA=FILE hold it against the CLI's own schema as well.
"""

from __future__ import annotations

import json
import os
import re
import runpy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from perdure import bundle, cli
from perdure.cli_operate import schedule_
from perdure.core import pipeline_file

ROOT = Path(__file__).parents[2]
FILES = ("databricks.yml", "databricks/flights.yml")
OURS = Path(__file__).with_name("bundle.schema.json")
JOBS = yaml.safe_load((ROOT / "databricks" / "flights.yml").read_text())["resources"]["jobs"]


def schema(file: str | Path) -> dict[str, Any]:
    """Go's names for kinds of letters, which the CLI's patterns use, in Python's."""
    text = Path(file).read_text(encoding="utf-8")
    text = text.replace(r"[\\p{L}\\p{N}]", "[a-zA-Z0-9]").replace(r"\\p{L}", "[a-zA-Z]")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("file", FILES)
def test_it_has_the_form_of_a_bundle(file: str) -> None:
    content = yaml.safe_load((ROOT / file).read_text())
    for source in filter(None, (OURS, os.environ.get("PERDURE_BUNDLE_SCHEMA"))):
        assert not [error.message for error in Draft202012Validator(schema(source)).iter_errors(content)]


def test_the_jobs_are_made_from_the_pipeline_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(schedule_, ["pipelines/flights.yml", "--databricks"])
    assert done.output == (ROOT / "databricks" / "flights.yml").read_text()


def test_a_task_a_step_in_the_order_of_the_life() -> None:
    tasks = JOBS["flights"]["tasks"]
    assert [task["task_key"] for task in tasks] == list(bundle.STEPS)
    for before, task in pairwise(tasks):
        assert [each["task_key"] for each in task["depends_on"]] == [before["task_key"]]


@pytest.mark.parametrize("task", [task for job in JOBS.values() for task in job["tasks"]], ids=lambda t: t["task_key"])
def test_parameters_are_the_command_lines_own(task: dict[str, Any]) -> None:
    """The job's file exists, and its command takes these arguments, with the job's parameters filled in or empty."""
    run = task["spark_python_task"]
    file = (ROOT / "databricks" / run["python_file"]).resolve()
    command = runpy.run_path(str(file))[task["task_key"]]
    for value in ("", "2013-04"):
        words = [re.sub(r"\{\{job\.parameters\.\w+\}\}", value, word) for word in run["parameters"]]
        words = [word.replace("${bundle.target}", "dev") for word in words]
        context = command.make_context(task["task_key"], words)
        assert context.params["pipeline"] == "pipelines/flights.yml"
        assert context.params["target"] == "dev"


def test_every_target_is_the_pipeline_files() -> None:
    wanted = yaml.safe_load((ROOT / "databricks.yml").read_text())
    for name in wanted["targets"]:
        place = pipeline_file.load(str(ROOT / "pipelines" / "flights.yml"), name)
        assert (place.place.catalog, place.place.schema_name, place.place.tracking) == (name, "flights", "databricks")
        assert place.sources["planes"].path == "/Volumes/main/raw/flights/planes.jsonl"
        assert place.landing == "/Volumes/main/raw/flights"
    model = wanted["resources"]["registered_models"]["flights"]
    assert model["name"] == "flights"


def test_done_is_no_system_exit() -> None:
    """Databricks takes SystemExit(0) for a failure."""
    assert cli.check.main([str(ROOT / "pipelines" / "flights.yml"), "--no-sql"]) is None
    with pytest.raises(SystemExit, match="2"):
        cli.check.main(["no-such-file.yml", "--no-sql"])
