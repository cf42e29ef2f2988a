"""The examples' feeds, landed once, and their tables as Spark reads them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from perdure.core.config import Pipeline
from perdure.core.pipeline_file import load

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PIPELINES = Path(__file__).parents[2] / "pipelines"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"land_{name}", PIPELINES / name / "land.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def feed() -> Callable[[str], ModuleType]:
    """feed("flights"): an example's land.py as a module."""
    return _module


@pytest.fixture(scope="session")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The landing folders of both examples, `flights` and `buoy`."""
    folder = tmp_path_factory.mktemp("landing")
    for name in ("flights", "buoy"):
        _module(name).land(folder / name)
    return folder


@pytest.fixture(scope="session")
def pipelines() -> dict[str, Pipeline]:
    """Both examples, as their files say."""
    return {name: load(PIPELINES / f"{name}.yml") for name in ("flights", "buoy")}


@pytest.fixture(scope="session")
def table(spark: SparkSession, landed: Path, pipelines: dict[str, Pipeline]) -> Callable[..., DataFrame]:
    """table("flights", "schedule", "2013-02", ...): the raw rows of some intervals under the declared schema."""

    def read(pipeline: str, source: str, *intervals: str) -> DataFrame:
        declared = pipelines[pipeline].sources[source]
        schema = ", ".join(f"`{name}` {kind}" for name, kind in declared.columns.items())
        within = declared.path.split(f"landing/{pipeline}/")[1]
        paths = [str(landed / pipeline / within.replace("{interval}", label)) for label in intervals or [""]]
        return spark.read.format(declared.format).options(**declared.options).schema(schema).load(paths)

    return read
