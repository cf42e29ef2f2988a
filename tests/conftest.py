"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from .standalone import standalone

__all__ = ["spark", "standalone"]

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# A busy machine is no failure; and what CI finds can be found again.
settings.register_profile("perdure", deadline=None, derandomize=True)
settings.load_profile("perdure")


# Folders whose files share what is costly to make.
TOGETHER = ("models", "steps")
# What takes long, in about its seconds on two quiet cores. It begins first, so that no process waits for another at the
# end. What isn't here takes less, and the order of its files.
SECONDS = {
    "run/test_life.py::test_killed_anywhere_and_started_again": 240,
    "run/test_serving.py": 200,
    "run/test_masters.py::test_two_runs_at_once": 160,
    "run/test_masters.py::test_each_job_alone_on_a_standalone_master_with_two_workers": 170,
    "test_init.py::test_runs_as_it_is": 120,
    "run/test_search_resumed.py::test_a_search_killed_in_its_middle_goes_on": 110,
    "notebooks/test_notebooks.py::test_the_tour_lives_and_shows": 100,
    "run/test_life.py::test_another_policy_is_lived_in_a_scratch_target": 90,
    "run/test_trust.py": 80,
    "run/test_killed_validate.py::test_killed_between_writes": 80,
    "run/test_follow.py::test_minutes_as_a_service": 70,
    "run/test_decided.py::test_what_was_learnt_is_what_is_scored_and_judged": 60,
    "steps": 300,
    "models": 200,
    "sources/corpus/test_corpus.py": 120,
    "run/test_late.py": 100,
    "run/test_quarantine.py": 90,
    "sources/test_csv.py": 80,
    "evaluation/test_domain.py": 60,
    "core/test_pipeline_file.py": 40,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests run in one process, and in which order (tests/run.sh: --dist loadgroup)."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: -SECONDS.get(_group(item), 0))


def _group(item: pytest.Item) -> str:
    """Those of a file; of a long one each by itself, unless they share a fixture."""
    file = item.path.relative_to(Path(__file__).parent)
    if file.parts[0] in TOGETHER:
        return file.parts[0]
    found = getattr(item, "_fixtureinfo", None)
    shares = found and any(each[-1].scope == "module" for each in found.name2fixturedefs.values())
    return str(file) if shares or item.get_closest_marker("long") is None else f"{file}::{item.name}"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One Spark session with Delta for all tests of a process."""
    from perdure.testing.spark import spark_for_tests

    session = spark_for_tests(tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()
