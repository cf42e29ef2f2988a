"""CSV: what is right is loaded, what isn't is kept with line and reason, and files that can't be right are refused."""

# ruff: noqa: DTZ001 (Spark hands times out without a zone)
from __future__ import annotations

import csv as pycsv
import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources import _lines, csv

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"id": "int", "name": "string", "at": "timestamp", "size": "double"}
HEADER = "id,name,at,size\n"


def source(columns: dict[str, str] | None = None, **options: str | int | bool) -> Source:
    return Source(format="csv", path="x", schema=columns or COLUMNS, options=options)


def rows(spark: SparkSession, files: list[Path], config: Source | None = None) -> list[Any]:
    config = config or source()
    found = csv.read(spark, [str(file) for file in files], config).collect()
    return sorted(found, key=lambda row: (row["_file"], row["_line"] or 0, str(row)))


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "a.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_good_rows_have_their_declared_types(spark: SparkSession, written: Callable[..., Path]) -> None:
    file = written(HEADER + "1,a,2013-01-01T05:00:00Z,1.5\n2,,2013-01-01T05:00:00+02:00,\n")
    first, second = rows(spark, [file])
    assert first.asDict() == {
        "id": 1,
        "name": "a",
        "at": datetime(2013, 1, 1, 5),
        "size": 1.5,
        "_file": str(file),
        "_line": 2,
        "_record": None,
        "_reject": None,
    }
    assert (second["name"], second["at"].hour, second["size"]) == (None, 3, None)


def test_columns_are_matched_by_name_in_each_file(spark: SparkSession, written: Callable[..., Path]) -> None:
    one = written(HEADER + "1,a,2013-01-01,1\n", "a.csv")
    two = written("size,at,id,name\n2,2013-01-02,2,b\n", "b.csv")
    assert [(row["id"], row["name"], row["size"]) for row in rows(spark, [one, two])] == [(1, "a", 1.0), (2, "b", 2.0)]


REASONS = [
    ("12x,a,2013-01-01,1", "id: expected int, found '12x'"),
    ("1,a,yesterday,one", "at: expected timestamp, found 'yesterday'; size: expected double, found 'one'"),
    ("1,a,2013-01-01", "expected 4 columns, found 3"),
    ("1,a,2013-01-01,1,", "expected 4 columns, found 5"),
    ('1,"a,b",2013-01-01,1,9', "expected 4 columns, found 5"),
    ('1,a,2013-01-01,"1', "a quoted field isn't closed; if fields hold line ends, set the option multiLine: true"),
    ("99999999999,a,2013-01-01,1", "id: expected int, found '99999999999'"),
    ("1,a,T05:00,1", "at: expected timestamp, found 'T05:00'"),
    ("1,a,10000-01-01T00:00:00Z,1", "at: expected timestamp, found '10000-01-01T00:00:00Z'"),
    ("1,a,2013-02-30,1", "at: expected timestamp, found '2013-02-30'"),
    ("1,a,2013-01-01,1e400", "size: expected double, found '1e400'"),
    ('"1,234",a,2013-01-01,1', "id: expected int, found '1,234'"),
    (" 1,a,2013-01-01,1", "id: expected int, found ' 1'"),
    ("1,a,2013-01-01,1\uffff,2", "holds U+FFFF, which is no character: take it out"),
    ("1,a,2013-01-01,1" + "," * 600, "expected 4 columns, found 604"),
]


@pytest.mark.parametrize("large", [False, True])
def test_rejected_rows_tell_line_record_and_reason(
    spark: SparkSession, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:  # counted lines, as for files that Spark splits
        monkeypatch.setattr(_lines, "_WHOLE_BYTES", 0)
    good = "7,ok,2013-01-01,NaN\n"
    text = HEADER + "\n" + good + "".join(f"{record}\n{good}" for record, _ in REASONS)
    file, other = written(text), written("name,id,at,size\nx,1,2013-01-01,1\n\nx,y,2013-01-01,1\n", "b c+%41.csv")
    found = rows(spark, [file, other])
    rejected = [(row["_line"], row["_record"], row["_reject"]) for row in found if row["_reject"]]
    assert rejected == [
        *((4 + 2 * at, record, reason) for at, (record, reason) in enumerate(REASONS)),
        (4, "x,y,2013-01-01,1", "id: expected int, found 'y'"),
    ]
    assert {row["_file"] for row in found} == {str(file), str(other)}
    assert sum(row["_reject"] is None for row in found) == len(REASONS) + 2


def test_nothing_is_added_to_a_field_that_isnt_closed(spark: SparkSession, written: Callable[..., Path]) -> None:
    """Where another mark than the quote escapes, Spark's parser takes what there is."""
    file = written('id,name\n1,"a\\"b"\n2,"open\n3,c\\\n')
    found = rows(spark, [file], source({"id": "int", "name": "string"}, escape="\\"))
    assert [row["id"] for row in found] == [1, 2, 3]
    assert not any("\uffff" in row["name"] for row in found)


def test_lines_are_true_in_files_that_are_split(spark: SparkSession, tmp_path: Path) -> None:
    files = []
    for part in range(2):
        file = tmp_path / f"{part}.csv"
        with file.open("w") as out:
            out.write(HEADER)
            for number in range(2, 120_001):
                bad = number % 20_000 == part
                out.write(f"{'x' if bad else number},{'n' * 40},2013-01-01T00:00:00Z,{number}\n")
        files.append(file)
    parsed = csv.read(spark, [str(file) for file in files], source())
    assert parsed.count() == 2 * 119_999
    assert parsed.where("_line <> size OR _line IS NULL").count() == 0
    bad = parsed.where("_reject IS NOT NULL").select("_file", "_line").collect()
    assert len(bad) == 6 + 5
    assert all(row["_line"] % 20_000 == files.index(Path(row["_file"])) for row in bad)


def test_quoted_fields_may_hold_line_ends(spark: SparkSession, written: Callable[..., Path]) -> None:
    file = written(
        HEADER + '1,"a\r\nb ""c"", d",2013-01-01,1\n\nx,"e\n\nf",2013-01-01,1\n3,"g,2013-01-01,1\n4,h,2013-01-01,1\n'
    )
    found = rows(spark, [file], source(multiLine=True))
    assert [(row["id"], row["name"], row["_line"], row["_record"]) for row in found] == [
        (1, 'a\r\nb "c", d', 2, None),
        (None, "e\n\nf", 5, 'x,"e\n\nf",2013-01-01,1'),
        (3, "g,2013-01-01,1", 8, '3,"g,2013-01-01,1'),
        (4, "h", 9, None),
    ]
    assert found[2]["_reject"] == "a quoted field isn't closed"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "utf-16-be"])
def test_encodings(spark: SparkSession, written: Callable[..., Path], encoding: str) -> None:
    file = written((HEADER + "1,Zoë,2013-01-01,1\nx,Zoë,2013-01-01,1\n").encode(encoding))
    config = source() if encoding == "utf-8-sig" else source(encoding=encoding)
    good, bad = sorted(rows(spark, [file], config), key=lambda row: row["_reject"] is not None)
    assert (good["id"], good["name"]) == (1, "Zoë")
    assert (bad["_line"], bad["_record"]) == (3, "x,Zoë,2013-01-01,1")


def test_bytes_that_are_not_text_reject_their_row_only(spark: SparkSession, written: Callable[..., Path]) -> None:
    file = written(HEADER.encode() + b"1,Zo\xeb,2013-01-01,1\n2,ok,2013-01-01,1\n")
    good, bad = sorted(rows(spark, [file]), key=lambda row: row["_reject"] is not None)
    assert good["id"] == 2
    assert (bad["_line"], bad["_reject"][:20]) == (2, "not valid UTF-8 text")


def test_other_separators_and_null_texts(spark: SparkSession, written: Callable[..., Path]) -> None:
    file = written(b"# made by hand\nid;name;at;size\n1;NA;2013-01-01;NA\n#2;b;c;d\n")
    with pytest.raises(SourceError, match=r"a\.csv:1: "):
        rows(spark, [file], source(sep=";", nullValue="NA"))
    file = written(b"id;name;at;size\n1;NA;2013-01-01;NA\n#2;b;c;d\n")
    (row,) = rows(spark, [file], source(sep=";", nullValue="NA", comment="#"))
    assert (row["id"], row["name"], row["size"], row["_reject"]) == (1, None, None, None)


def test_without_header_columns_go_by_their_place(spark: SparkSession, written: Callable[..., Path]) -> None:
    good, bad = rows(spark, [written("1,a,2013-01-01,1\nid,name,at,size\n")], source(header=False))
    assert (good["id"], bad["_line"]) == (1, 2)


def test_names_may_hold_anything(spark: SparkSession, written: Callable[..., Path]) -> None:
    columns = {"a.b": "int", 'c "d"': "string", "e`f": "int", "x; DROP TABLE y--": "string", "é": "int"}
    file = written('a.b,"c ""d""",e`f,x; DROP TABLE y--,é\n1,2,3,4,5\nz,2,3,4,5\n')
    good, bad = rows(spark, [file], source(columns))
    assert list(good)[:5] == [1, "2", 3, "4", 5]
    assert bad["_reject"] == "a.b: expected int, found 'z'"


def test_archives_are_unpacked(spark: SparkSession, written: Callable[..., Path]) -> None:
    text = (HEADER + "1,a,2013-01-01,1\nx,b,2013-01-01,1\n").encode()
    good, bad = rows(spark, [written(gzip.compress(text), "a.csv.gz")])
    assert (good["id"], bad["_line"]) == (1, 3)
    good, bad = rows(spark, [written(gzip.compress(text), "a.csv.gz")], source(multiLine=True))
    assert (good["id"], bad["_line"]) == (1, 3)


@pytest.mark.parametrize("text", ["", "\n\n", HEADER, HEADER.rstrip(), "\ufeff" + HEADER])
def test_files_without_rows_have_none(spark: SparkSession, written: Callable[..., Path], text: str) -> None:
    full = written(HEADER + "1,a,2013-01-01,1\n", "z.csv")
    assert len(rows(spark, [written(text), full])) == 1
    frame = csv.read(spark, [str(written(text))], source())
    assert frame.columns == [*COLUMNS, "_file", "_line", "_record", "_reject"]
    assert frame.count() == 0


REFUSED = [
    (b"id,nam,at,size\n", r"a.csv:1: declared column 'name' is missing \(did you mean 'nam'\?\); column 'nam' isn't"),
    (b"id,name,at,size,more\n", r"a.csv:1: column 'more' isn't declared"),
    (b"id,name,at\n", r"a.csv:1: declared column 'size' is missing"),
    (b"id,name,at,size,id\n", r"a.csv:1: column 'id' stands there twice"),
    (b"1,a,2013-01-01,1\n", r"a.csv:1: expected a header with id, name, at, size; found"),
    (b"PK\x03\x04\x14\x00", r"a.csv:1: expected text, found a zip archive"),
    (b"\x1f\x8b\x08\x00", r"a.csv:1: expected text, found gzip-compressed"),
    ("id,name,at,size\n1,a,2013-01-01,1\n".encode("utf-16"), r"a.csv:1: not valid UTF-8 text"),
    (b"i\0d,name\n", r"a.csv:1: expected text, found binary data"),
    (b"x" * (1 << 20 | 1), r"a.csv:1: no line end within the first MiB"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_files_that_cannot_be_right_are_refused(
    spark: SparkSession, written: Callable[..., Path], content: bytes, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        rows(spark, [written(content)])


def test_options_that_would_break_the_rules_are_refused(spark: SparkSession, written: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match="option 'mode' can't be set"):
        rows(spark, [written(HEADER)], source(mode="DROPMALFORMED"))
    with pytest.raises(SourceError, match="no text encoding is called 'klingon'"):
        rows(spark, [written(HEADER)], source(encoding="klingon"))


def test_the_fields_that_can_be_read_of_a_rejected_row_stay(spark: SparkSession, written: Callable[..., Path]) -> None:
    (row,) = rows(spark, [written(HEADER + "1,a,2013-01-01T05:00:00Z,x\n")])
    assert (row["id"], row["at"], row["size"]) == (1, datetime(2013, 1, 1, 5), None)


def test_a_writer_other_than_ours_is_understood(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    names = ["plain", 'with "quotes"', "comma, here", "back\\slash", "semi;colon", "'single'", " spaced ", "ünïcode 🛫"]
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = pycsv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows([number, name, "2013-01-01", 1] for number, name in enumerate(names))
    assert [row["name"] for row in sorted(rows(spark, [file]), key=lambda row: row["id"])] == names
