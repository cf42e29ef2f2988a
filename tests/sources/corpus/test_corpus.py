"""Hostile input. Each is loaded right, rejected with a reason, or refused with a message that names the file; never a
stack trace of Spark's, never a lost row. The inputs stand in `cases`; here also what is no file's content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources import _files, explain

from ..drawn import few
from .cases import CASES, COLUMNS, HEADER, Case, listing

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def outcome(spark: SparkSession, path: Path, case: Case | None = None) -> list[Any]:
    """As the engine does it: errors of the action go through `explain`."""
    kind = path.name.split(".")[1]
    module: Any = registry.load("perdure.sources", kind)
    columns, options = (case.columns, case.options) if case else (COLUMNS, {})
    config = Source(format=kind, path=str(path), schema=dict(columns), options=dict(options))
    try:
        return list(module.read(spark, [str(path)], config).collect())
    except Exception as error:
        raise explain(error) or error from error


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}: {case.name}")
def test_hostile(spark: SparkSession, tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.file
    path.write_bytes(case.content)
    if isinstance(case.outcome, str):
        with pytest.raises(SourceError, match=case.outcome) as refused:
            outcome(spark, path, case)
        assert str(path) in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1
    else:
        rows = outcome(spark, path, case)
        rejected = [row for row in rows if row["_reject"]]
        assert (len(rows) - len(rejected), len(rejected)) == case.outcome, [row["_reject"] for row in rejected]
        assert all(row["_line"] and row["_record"] for row in rejected)
        assert all(case.reason in row["_reject"] for row in rejected), [row["_reject"] for row in rejected]
        if case.values is not None:
            good = sorted((row for row in rows if not row["_reject"]), key=lambda row: row["_line"])
            assert tuple("|".join(str(value) for value in list(row)[:-4]) for row in good) == case.values


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_a_file_that_is_not_there(spark: SparkSession, tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=rf"{name}: can't be read"):
        outcome(spark, tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_a_folder_with_the_name_of_a_file(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match=rf"{name}: can't be read: (Is a directory|it isn't)"):
        outcome(spark, tmp_path / name)


@pytest.mark.parametrize(("name", "content"), [("a.csv", HEADER + b"1,a\n"), ("a.json", b'{"id": 1}\n')])
def test_a_file_that_vanishes_while_it_is_read(spark: SparkSession, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    kind = name.split(".")[1]
    module: Any = registry.load("perdure.sources", kind)
    rows = module.read(spark, [str(path)], Source(format=kind, path=name, schema=COLUMNS))
    path.unlink()
    with pytest.raises(Exception, match=name) as raised:
        rows.collect()
    assert str(explain(raised.value)) == f"{path}: can't be read: it isn't there (any more)"


def test_other_errors_are_not_explained(spark: SparkSession) -> None:
    assert explain(ValueError("file /tmp/x")) is None
    with pytest.raises(Exception, match="DIVIDE_BY_ZERO") as raised:
        spark.sql("SELECT 1 / 0").collect()
    assert explain(raised.value) is None


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert len({(case.file, case.name) for case in CASES}) == len(CASES)


def test_the_docs_list_them() -> None:
    docs = Path(__file__).parents[3] / "docs" / "bad-input.md"
    assert docs.read_text() == listing(), "python -m tests.sources.corpus.cases > docs/bad-input.md"


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_a_file_that_may_not_be_read(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HEADER)
    (tmp_path / name).chmod(0)
    with pytest.raises(SourceError, match=rf"{name}: can't be read: Permission denied"):
        outcome(spark, tmp_path / name)


def test_an_error_over_permissions_names_the_file() -> None:
    error = OSError("org.apache.hadoop.security.AccessControlException: Permission denied reading file '/a/b.csv'")
    assert str(explain(error)) == "/a/b.csv: can't be read: this user may not read it"


def test_a_way_out_of_the_landing_folder(spark: SparkSession, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    (tmp_path / "secret.csv").write_bytes(HEADER)
    (landing / "a.csv").symlink_to("../secret.csv")
    (landing / "sub").symlink_to(tmp_path)
    for name in ("a.csv", "sub"):
        with pytest.raises(SourceError, match=rf"{name}: is a link out of"):
            _files.list_files(spark, f"{landing}/{name[:-1]}*")


def test_a_colon_in_a_name(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "2013-01-31T06:30.csv").write_bytes(HEADER)
    with pytest.raises(SourceError, match=r"T06:30\.csv: .* a colon in it: .*, such as 2013-01-31T06-30\.csv"):
        _files.list_files(spark, f"{tmp_path}/*.csv")


# Anything at all below a header, and anything at all where JSON should be.
BODY = st.lists(
    st.binary(max_size=24) | st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
    max_size=12,
).map(b"\n".join)


def records(body: bytes) -> int:
    """The lines that aren't blank, as the sources count them."""
    lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return sum(bool(line.strip(b" ")) for line in lines)


@pytest.mark.parametrize("kind", ["csv", "json"])
@few(8)
@given(bodies=st.lists(BODY, min_size=15, max_size=30))
def test_no_bytes_lose_a_record_or_break_a_parser(
    spark: SparkSession, tmp_path: Path, kind: str, bodies: list[bytes]
) -> None:
    first = HEADER if kind == "csv" else b'{"id": 1}\n'
    expected = {}
    for number, body in enumerate(bodies):
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(first + body)
        expected[str(path)] = records(body) + (kind == "json")
    module: Any = registry.load("perdure.sources", kind)
    config = Source(format=kind, path="x", schema=COLUMNS)
    found = dict.fromkeys(expected, 0)
    for row in module.read(spark, list(expected), config).collect():
        found[row["_file"]] += 1
        assert row["_line"] is not None
        assert (row["_reject"] is None) == (row["_record"] is None)
    assert found == expected


@pytest.mark.long
def test_a_line_of_a_hundred_megabytes(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as out:
        out.write(HEADER + b"1,")
        for _ in range(100):
            out.write(b"x" * (1 << 20))
        out.write(b"\n2,b\n")
    module: Any = registry.load("perdure.sources", "csv")
    rows = module.read(spark, [str(path)], Source(format="csv", path="x", schema=COLUMNS))
    found = rows.selectExpr("_line", "id", "_reject", "length(_record)").orderBy("_line").collect()
    reason = "longer than 16 MiB; its first 1,000 characters are kept"
    assert [tuple(row) for row in found] == [(2, 1, reason, 1000), (3, 2, None, None)]
