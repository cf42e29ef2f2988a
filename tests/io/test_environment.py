"""What is found of the environment; packages broken as they break in earnest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perdure.io.environment import describe, package, packages_in_tasks, peak_memory
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package of version 1.5.2 with this source."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        (tmp_path / f"{name}-1.5.2.dist-info").mkdir()
        (tmp_path / f"{name}-1.5.2.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.5.2\n")

    return install


def test_a_package_is_there_only_if_it_loads(installed: Callable[[str, str], None]) -> None:
    installed("perdure_whole", "")
    installed("perdure_without_library", "import ctypes\nctypes.CDLL('libperdure_missing.so.7')\n")
    installed("perdure_without_part", "import perdure_never_installed\n")
    assert package("perdure_whole") == "1.5.2"
    missing = "1.5.2 does not load: OSError: libperdure_missing.so.7: cannot open"
    assert package("perdure_without_library").startswith(missing)
    assert package("perdure_without_part").startswith("1.5.2 does not load: No module named")
    assert package("perdure_never_installed") == "not there"


def test_packages_are_looked_for_in_tasks_too(spark: SparkSession) -> None:
    import numpy

    assert packages_in_tasks(spark, ["numpy", "perdure_never_installed"]) == {
        "package numpy in tasks": numpy.__version__, "package perdure_never_installed in tasks": "not there"}
    assert packages_in_tasks(spark, []) == {}


def test_what_rows_are_scored_with(spark: SparkSession) -> None:
    with count_jobs(spark) as count:
        found = describe(spark, ["pyspark", "numpy"])
    assert count.jobs <= 2
    assert found["spark"] == found["package pyspark"] == spark.version
    assert found["scala"].startswith("2.13.")
    assert int(found["java"].split(".")[0]) >= 17
    assert (found["time zone"], found["ANSI mode"], found["cluster"], found["cluster cores"]) == (
        "UTC", "true", "local", "2")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        assert describe(spark, [])["ANSI mode"] == "false"
    finally:
        spark.conf.set("spark.sql.ansi.enabled", "true")


def test_memory_counts_the_java_machine(spark: SparkSession) -> None:
    found = peak_memory()
    assert found is not None
    assert found > 200
