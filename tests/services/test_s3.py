"""Files on S3 (a real server that speaks its protocol), held to the laws of all sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import SourceError
from perdure.sources import _files, csv
from perdure.testing import sources as laws

from ..sources.drawn import few
from ..sources.test_laws import SAMPLES, TEXT, values

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.services
FILES = [sample for sample in SAMPLES if not sample.table and not sample.options]


def name_of(path: Path) -> str:
    folder = path.parent.name.replace("[", "_").replace("]", "_")
    return f"s3a://lake/{folder}/{path.name}"


def upload(endpoint: str, sample: laws.Sample, path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    """The file as it would stand on a disk, put on the server."""
    lines = sample.write(path, rows, bad)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.upload_file(str(path), "lake", name_of(path).removeprefix("s3a://lake/"))
    return lines


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("sample", FILES, ids=lambda sample: sample.format)
@few(1)
@given(data=st.data())
def test_law(
    spark: SparkSession, s3: str, tmp_path: Path, law: Any, sample: laws.Sample, data: st.DataObject
) -> None:
    remote = replace(sample, write=partial(upload, s3, sample), name=name_of, remote=True)
    law(spark, remote, tmp_path, data.draw(st.lists(values(TEXT.filter(str.strip)), min_size=15, max_size=30)))


def test_what_stands_there_is_listed(spark: SparkSession, s3: str, tmp_path: Path) -> None:
    sample = FILES[0]
    empty = partial(upload, s3, sample, rows=(), bad=())
    for name in ("one.csv", "two.csv"):
        empty(tmp_path / name)
    folder = name_of(tmp_path / "one.csv").rpartition("/")[0]
    found = _files.list_files(spark, f"{folder}/*.csv")
    assert [file.path for file in found] == [f"{folder}/one.csv", f"{folder}/two.csv"]
    assert [file.path for file in _files.list_files(spark, folder)] == [file.path for file in found]
    assert all(file.size > 0 and file.modified > 0 for file in found)
    assert _files.list_files(spark, f"{folder}/none.csv") == []


def test_a_file_that_is_gone(spark: SparkSession, s3: str) -> None:
    with pytest.raises(SourceError, match=r"gone\.csv: can't be read"):
        csv.read(spark, ["s3a://lake/gone.csv"], FILES[0].config).collect()
