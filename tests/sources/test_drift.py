"""Files whose columns aren't the declared ones: what each policy makes of each change, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources._drift import Change, Found, agree

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"id": "int", "name": "string"}
KINDS = ("added", "missing", "renamed", "reordered")
FILES: dict[str, dict[str, str]] = {
    "added": {"csv": "id,name,extra\n1,a,7\n", "json": '{"id":1,"name":"a","extra":"7"}\n'},
    "missing": {"csv": "id\n1\n"},
    "renamed": {"csv": "ID,name\n1,a\n", "json": '{"ID":1,"name":"a"}\n'},
    "reordered": {"csv": "name,id\na,1\n"},
}
TAKEN = {"added": [1, "a", "7"], "missing": [1, None], "renamed": [1, "a"], "reordered": [1, "a"]}


def source(kind: str, **policies: str) -> Source:
    return Source.model_validate({"format": kind, "path": "x", "schema": COLUMNS, "schema_changes": policies})


def read(spark: SparkSession, files: list[Path], config: Source) -> tuple[list[Any], list[Change]]:
    changes: list[Change] = []
    module: Any = registry.load("perdure.sources", config.format)
    rows = module.read(spark, [str(file) for file in files], config, changes)
    return rows.orderBy("_file", "_line").collect(), changes


CASES = [(kind, change) for change, texts in FILES.items() for kind in texts]


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_each_policy(spark: SparkSession, tmp_path: Path, kind: str, change: str) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_text(FILES[change][kind])
    (row,), changes = read(spark, [file], source(kind, **{change: "evolve"}))
    assert list(row)[:-4] == TAKEN[change]
    assert row["_reject"] is None
    assert [(one.kind, one.policy, one.file) for one in changes] == [(change, "evolve", str(file))]
    (row,), _ = read(spark, [file], source(kind, **{change: "quarantine"}))
    assert f"(schema_changes: {change})" in row["_reject"]
    assert row["_record"] == FILES[change][kind].splitlines()[-1]
    with pytest.raises(SourceError, match=rf"a\.{kind}:1: .*schema_changes: {change}"):
        read(spark, [file], source(kind, **{change: "fail"}))


def test_files_that_differ_are_read_together(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,a\n")
    (tmp_path / "b.csv").write_text("Name,new,id\nb,x,2\n")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    rows, changes = read(spark, files, source("csv", added="evolve", renamed="evolve"))
    assert [tuple(row)[:3] for row in rows] == [(1, "a", None), (2, "b", "x")]
    assert rows[0].asDict().keys() == {"id", "name", "new", "_file", "_line", "_record", "_reject"}
    assert {one.kind for one in changes} == {"renamed", "added", "reordered"}


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


def test_wider_types_go_on_where_they_fit(spark: SparkSession, tmp_path: Path) -> None:
    file = parquet(tmp_path, id=pa.array([1, 1 << 40, None], pa.int64()), name=["a", "b", "c"])
    with pytest.raises(SourceError, match=r"a\.parquet: id: expected int, found bigint.*schema_changes: widened"):
        read(spark, [file], source("parquet"))
    rows, changes = read(spark, [file], source("parquet", widened="evolve"))
    assert [(row["id"], row["_reject"]) for row in rows] == [
        (1, None), (None, "id: expected int, found '1099511627776'"), (None, None)]  # fmt: skip
    assert [(one.kind, one.column) for one in changes] == [("widened", "id")]
    rows, _ = read(spark, [file], source("parquet", widened="quarantine"))
    assert all("expected int, found bigint" in row["_reject"] for row in rows)


def test_narrower_types_are_widened_unless_refused(spark: SparkSession, tmp_path: Path) -> None:
    file = parquet(tmp_path, id=pa.array([1], pa.int16()), name=["a"])
    assert read(spark, [file], source("parquet"))[0][0]["id"] == 1
    with pytest.raises(SourceError, match="id: expected int, found smallint"):
        read(spark, [file], source("parquet", narrowed="fail"))


def test_added_columns_of_parquet_keep_their_type(spark: SparkSession, tmp_path: Path) -> None:
    file = parquet(tmp_path, id=pa.array([1], pa.int32()), name=["a"], more=[1.5])
    (row,), _ = read(spark, [file], source("parquet", added="evolve"))
    assert row["more"] == 1.5


def test_another_type_altogether_is_always_refused(spark: SparkSession, tmp_path: Path) -> None:
    anything = dict.fromkeys((*KINDS, "widened", "narrowed"), "evolve")
    with pytest.raises(SourceError, match="id: expected int, found string"):
        read(spark, [parquet(tmp_path, id=["1"], name=["a"])], source("parquet", **anything))


@given(st.lists(st.sampled_from(["id", "ID", "name", "nam", "x", "y"]), max_size=5), st.data())
def test_no_columns_end_in_anything_but_an_answer(names: list[str], data: st.DataObject) -> None:
    policies = {kind: data.draw(st.sampled_from(["evolve", "quarantine", "fail"])) for kind in KINDS}
    changes: list[Change] = []
    found, message = None, ""
    try:
        found = agree(Found("a.csv", 1, tuple(names)), source("csv", **policies), changes)
    except SourceError as error:
        message = str(error)
    if found is None:
        assert message.startswith("a.csv:1: ")
        return
    assert len(found.names) == len(names) == len(set(found.names))
    assert all(name in COLUMNS or name in found.extra for name in found.names)
    assert (found.reject is not None) == any(one.policy == "quarantine" for one in changes)
    assert json.dumps([one.to_dict() for one in changes])
