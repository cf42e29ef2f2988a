"""Hostile input. Each is loaded right, rejected with a reason, or refused with a message that names the file; never a
stack trace of Spark's, never a lost row. What is about one format alone stands in that format's tests."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources import explain

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"id": "int", "name": "string"}
HEADER = b"id,name\n"
MANY = HEADER + b"".join(b"%d,%x\n" % (number, number * 7919 % 1_000_003) for number in range(50_000))


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", content)
    return out.getvalue()


@dataclass(frozen=True)
class Case:
    """`outcome`: how many good rows and rejected ones there are, or the message of the refusal."""

    name: str
    file: str
    content: bytes
    outcome: tuple[int, int] | str


BROKEN = "its compression is broken|ends too early|can't be read"
CASES = [
    Case("byte-order mark", "a.csv", b"\xef\xbb\xbf" + HEADER + b"1,a\n", (1, 0)),
    Case("byte-order mark twice", "a.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + HEADER, r"a.csv:1: declared column 'id'"),
    Case("latin-1 row", "a.csv", HEADER + b"1,Zo\xeb\n2,b\n", (1, 1)),
    Case("latin-1 header", "a.csv", b"id,nam\xeb\n1,b\n", r"a.csv:1: not valid UTF-8"),
    Case("a thousand quoted quotes", "a.csv", HEADER + b'1,"' + b'""' * 50_000 + b'"\n2,b\n', (2, 0)),
    Case("many columns", "a.csv", HEADER + b"1" + b",x" * 50_000 + b"\n2,b\n", (1, 1)),
    Case("surrogate bytes", "a.csv", HEADER + b"1,\xed\xa0\x80\n2,b\n", (1, 1)),
    Case("overlong zero", "a.csv", HEADER + b"1,\xc0\x80\n2,b\n", (1, 1)),
    Case("zero byte in a field", "a.csv", HEADER + b"1,a\0b\n2,b\n", (2, 0)),
    Case("old Mac line ends", "a.csv", b"id,name\r1,a\r2,b\r", (2, 0)),
    Case("mixed line ends", "a.csv", b"id,name\r\n1,a\n2,b\r\n3,c", (3, 0)),
    Case("newline in quotes", "a.csv", HEADER + b'1,"a\nb"\n2,c\n', (1, 2)),
    Case("quote never closed", "a.csv", HEADER + b'1,"a\n2,b\n3,c\n', (2, 1)),
    Case("quote inside a bare field", "a.csv", HEADER + b'1,5" disk\n2,b\n', (2, 0)),
    Case("header again", "a.csv", HEADER + b"1,a\nid,name\n2,b\n", (2, 1)),
    Case("header in capitals", "a.csv", b"ID,NAME\n1,a\n", r"a.csv:1: expected a header"),
    Case("header with spaces", "a.csv", b"id, name\n1,a\n", r"a.csv:1: declared column 'name' is missing.*' name'"),
    Case("comma at the end", "a.csv", b"id,name,\n1,a,\n", r"a.csv:1: column '' isn't declared"),
    Case("blank line first", "a.csv", b"\n\n" + HEADER + b"1,a\n", (1, 0)),
    Case("only blanks", "a.csv", b" \n\t\n", (0, 0)),
    Case("a very long field", "a.csv", HEADER + b"1," + b"x" * (5 << 20) + b"\n2,b\n", (2, 0)),
    Case("very many fields", "a.csv", HEADER + b"1" + b",x" * 200_000 + b"\n2,b\n", (1, 1)),
    Case("spreadsheet formula", "a.csv", HEADER + b"1,=cmd|' /C calc'!A0\n", (1, 0)),
    Case("overflow", "a.csv", HEADER + b"2147483648,a\n-2147483649,b\n2147483647,c\n", (1, 2)),
    Case("other digits", "a.csv", HEADER + "١٢,a\n1_000,b\n+3,c\n".encode(), (2, 1)),
    Case("zip", "a.csv", zipped(MANY), r"a.csv:1: expected text, found a zip archive"),
    Case("gzip without its ending", "a.csv", gzip.compress(MANY), r"a.csv:1: expected text, found gzip"),
    Case("its ending without gzip", "a.csv.gz", MANY, BROKEN),
    Case("truncated gzip", "a.csv.gz", gzip.compress(MANY)[:-20_000], BROKEN),
    Case("truncated small gzip", "a.csv.gz", gzip.compress(HEADER + b"1,a\n")[:-9], BROKEN),
    Case("two gzip members", "a.csv.gz", gzip.compress(HEADER + b"1,a\n") + gzip.compress(b"2,b\n"), (2, 0)),
    Case("bzip2", "a.csv.bz2", bz2.compress(HEADER + b"1,a\n"), (1, 0)),
    Case("random bytes", "a.csv", bytes(range(256)) * 40, r"a.csv:\d+: "),
    Case("truncated gzip", "a.json.gz", gzip.compress(b'{"id": 1}\n' * 90_000)[:-200], BROKEN),
    Case("text in JSON's place", "a.json", b"id,name\n1,a\n", (0, 2)),
    Case("cut off in the middle", "a.json", b'{"id": 1}\n{"id": 2, "na', (1, 1)),
    Case("a zero byte", "a.json", b'{"id": 1, "name": "\\u0000"}\n', (1, 0)),
    Case("a raw line break in a text", "a.json", b'{"id": 1, "name": "a\nb"}\n{"id": 2}\n', (1, 2)),
    Case("comments", "a.json", b'{"id": 1} // one\n{"id": 2}\n', (1, 1)),
    Case("an empty object", "a.json", b"{}\n", (1, 0)),
    Case("broken UTF-8", "a.json", b'{"id": 1, "name": "\xff"}\n{"id": 2}\n', (1, 1)),
    Case("a file cut short", "a.parquet", b"PAR1" + b"\0" * 50, r"a.parquet: can't be read"),
]


def outcome(spark: SparkSession, path: Path) -> list[Any]:
    """As the engine does it: errors of the action go through `explain`."""
    kind = path.name.split(".")[1]
    module: Any = registry.load("perdure.sources", kind)
    config = Source(format=kind, path=str(path), schema=COLUMNS)
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
            outcome(spark, path)
        assert str(path) in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1
    else:
        rows = outcome(spark, path)
        rejected = [row for row in rows if row["_reject"]]
        assert (len(rows) - len(rejected), len(rejected)) == case.outcome, rows
        assert all(row["_line"] and row["_record"] for row in rejected)


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_a_file_that_is_not_there(spark: SparkSession, tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=rf"{name}: can't be read"):
        outcome(spark, tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_a_folder_with_the_name_of_a_file(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match=rf"{name}: can't be read: Is a directory"):
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
