"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One Spark session with Delta for all tests of a process."""
    from perdure.testing.spark import spark_for_tests

    session = spark_for_tests(tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()
