"""Which files a location stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perdure.core.errors import SourceError
from perdure.sources import _files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    for name in (
        "b.csv",
        "a.csv",
        "_started.csv",
        ".hidden.csv",
        "sub/c.csv",
        "_temporary/d.csv",
        "odd [1]*?.csv",
        "x.csv/p",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("id\n")
    return folder


def names(spark: SparkSession, location: str, folder: Path) -> list[str]:
    return [os.path.relpath(file.path, folder) for file in _files.list_files(spark, location)]


def test_folders_patterns_and_files(spark: SparkSession, landing: Path) -> None:
    everything = ["a.csv", "b.csv", "odd [1]*?.csv", "sub/c.csv", "x.csv/p"]
    assert names(spark, str(landing), landing) == everything
    assert names(spark, f"{landing}/?.csv", landing) == ["a.csv", "b.csv", "x.csv/p"]
    assert names(spark, f"{landing}/**/*.csv", landing) == everything
    assert names(spark, f"{landing}/../landing/a.csv", landing) == ["a.csv"]
    assert names(spark, f"{landing}/odd [1]*?.csv", landing) == ["odd [1]*?.csv"]
    assert names(spark, f"file://{landing}/a.csv", landing) == ["a.csv"]


@pytest.mark.parametrize("location", ["none", "none/*.csv", "_started.csv", "*.json", "none/"])
def test_nothing_there_is_no_error(spark: SparkSession, landing: Path, location: str) -> None:
    assert _files.list_files(spark, f"{landing}/{location}") == []


def test_size_and_time_tell_versions_apart(spark: SparkSession, landing: Path) -> None:
    os.utime(landing / "a.csv", ns=(0, 1_357_000_000_123_456_789))
    (file,) = _files.list_files(spark, f"{landing}/a.csv")
    assert (file.path, file.size, file.modified) == (f"{landing}/a.csv", 3, 1_357_000_000_123)


def test_links_may_not_lead_out_of_the_folder(spark: SparkSession, landing: Path, tmp_path: Path) -> None:
    (landing / "inside.csv").symlink_to(landing / "a.csv")
    assert "inside.csv" in names(spark, str(landing), landing)
    (tmp_path / "secret.csv").write_text("id\n")
    (landing / "z.csv").symlink_to(tmp_path / "secret.csv")
    for location in (str(landing), f"{landing}/*.csv"):
        with pytest.raises(SourceError, match=r"z\.csv: is a link out of"):
            _files.list_files(spark, location)
    (landing / "z.csv").unlink()
    (landing / "z.csv").symlink_to(landing / "gone.csv")
    assert "z.csv" not in names(spark, str(landing), landing)


def test_spark_lists_what_the_operating_system_cannot(
    spark: SparkSession, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _files.list_files(spark, f"{landing}/sub")
    monkeypatch.setattr(_files, "_is_remote", lambda location: True)
    assert _files.list_files(spark, f"file://{landing}/sub") == plain
    assert _files.list_files(spark, f"file://{landing}/none/*.csv") == []
    assert [Path(file.path).name for file in _files.list_files(spark, f"file://{landing}")][:2] == ["a.csv", "b.csv"]
