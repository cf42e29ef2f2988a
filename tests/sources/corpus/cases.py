"""The hostile inputs: each a file's name and bytes, how its source is declared, and the one right outcome.

docs/bad-input.md lists them: python -m tests.sources.corpus.cases > docs/bad-input.md
"""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {"id": "int", "name": "string"}
HEADER = b"id,name\n"
MANY = HEADER + b"".join(b"%d,%x\n" % (number, number * 7919 % 1_000_003) for number in range(50_000))
BROKEN = "its compression is broken|ends too early|can't be read"
NUMBER, TIME = {"x": "double"}, {"t": "timestamp"}


@dataclass(frozen=True)
class Case:
    """`outcome`: how many good rows and rejected ones there are, or the message of the refusal. `reason`: part of every
    rejection. `values`: the good rows' values, one text each, in the order of the file."""

    name: str
    file: str
    content: bytes
    outcome: tuple[int, int] | str
    columns: Mapping[str, str] = field(default_factory=lambda: COLUMNS)
    options: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    values: tuple[str, ...] | None = None


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", content)
    return out.getvalue()


def parquet(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def one(name: str, texts: list[str], outcome: tuple[int, int], columns: Mapping[str, str], **more: Any) -> Case:
    """A CSV file of one column."""
    lines = [next(iter(columns)), *(f'"{text}"' if "," in text else text for text in texts)]
    return Case(name, "a.csv", ("\n".join(lines) + "\n").encode(), outcome, columns, **more)


ENCODINGS = [
    Case("byte-order mark", "a.csv", b"\xef\xbb\xbf" + HEADER + b"1,a\n", (1, 0)),
    Case("byte-order mark twice", "a.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + HEADER, r"a.csv:1: declared column 'id'"),
    Case("UTF-16 that nobody told of", "a.csv", "id,name\n1,a\n".encode("utf-16"), r"a.csv:1: not valid UTF-8"),
    Case("UTF-16 as told", "a.csv", "id,name\n1,Zoë\n".encode("utf-16"), (1, 0), options={"encoding": "utf-16"},
         values=("1|Zoë",)),
    Case("UTF-16 cut in half", "a.csv", "id,name\n1,a\n2,b\n".encode("utf-16")[:-3], (1, 1),
         options={"encoding": "utf-16"}, reason="not valid utf-16 text"),
    Case("latin-1 row", "a.csv", HEADER + b"1,Zo\xeb\n2,b\n", (1, 1), reason="not valid UTF-8 text"),
    Case("latin-1 header", "a.csv", b"id,nam\xeb\n1,b\n", r"a.csv:1: not valid UTF-8"),
    Case("latin-1 as told", "a.csv", HEADER + b"1,Zo\xeb\n", (1, 0), options={"encoding": "latin1"},
         values=("1|Zoë",)),
    Case("surrogate bytes", "a.csv", HEADER + b"1,\xed\xa0\x80\n2,b\n", (1, 1), reason="not valid UTF-8"),
    Case("overlong zero", "a.csv", HEADER + b"1,\xc0\x80\n2,b\n", (1, 1), reason="not valid UTF-8"),
    Case("text that runs backwards", "a.csv", HEADER + "1,\u202egpj.exe\n".encode(), (1, 0)),
    Case("other line separators", "a.csv", HEADER + "1,a\u2028b\x0bc\x0cd\x85e\n".encode(), (1, 0)),
    Case("broken UTF-8", "a.json", b'{"id": 1, "name": "\xff"}\n{"id": 2}\n', (1, 1), reason="not valid UTF-8"),
    Case("byte-order mark", "a.json", b'\xef\xbb\xbf{"id": 1}\n', (1, 0), values=("1|None",)),
    Case("half a surrogate", "a.json", b'{"id": 1, "name": "\\ud800"}\n{"id": 2}\n', (2, 0)),
]
SHAPES = [
    Case("zero bytes", "a.csv", b"", (0, 0)),
    Case("header only", "a.csv", HEADER, (0, 0)),
    Case("header without its end", "a.csv", HEADER.rstrip(), (0, 0)),
    Case("no header", "a.csv", b"1,a\n2,b\n", r"a.csv:1: expected a header with id, name; found '1, a'"),
    Case("header twice", "a.csv", HEADER + b"1,a\nid,name\n2,b\n", (2, 1), reason="id: expected int, found 'id'"),
    Case("a column twice", "a.csv", b"id,name,id\n1,a,2\n", r"a.csv:1: column 'id' stands there twice"),
    Case("header in capitals", "a.csv", b"ID,NAME\n1,a\n", r"a.csv:1: expected a header"),
    Case("header with spaces", "a.csv", b"id, name\n1,a\n", r"a.csv:1: declared column 'name' is missing.*' name'"),
    Case("another separator", "a.csv", b"id;name\n1;a\n", r"a.csv:1: expected a header with id, name; found 'id;name'"),
    Case("a page that says no", "a.csv", b"<html><body>404</body></html>\n", r"a.csv:1: expected a header"),
    Case("comma at the end", "a.csv", b"id,name,\n1,a,\n", r"a.csv:1: column '' isn't declared"),
    Case("short rows", "a.csv", HEADER + b"1\n2,b\n", (1, 1), reason="expected 2 columns, found 1"),
    Case("long rows", "a.csv", HEADER + b"1,a,x\n2,b\n", (1, 1), reason="expected 2 columns, found 3"),
    Case("blank line first", "a.csv", b"\n\n" + HEADER + b"1,a\n", (1, 0)),
    Case("only blanks", "a.csv", b" \n\t\n", (0, 0)),
    Case("a thousand quoted quotes", "a.csv", HEADER + b'1,"' + b'""' * 50_000 + b'"\n2,b\n', (2, 0)),
    Case("many columns", "a.csv", HEADER + b"1" + b",x" * 50_000 + b"\n2,b\n", (1, 1), reason="expected 2 columns"),
    Case("very many fields", "a.csv", HEADER + b"1" + b",x" * 200_000 + b"\n2,b\n", (1, 1), reason="expected 2 col"),
    Case("zero byte in a field", "a.csv", HEADER + b"1,a\0b\n2,b\n", (2, 0)),
    Case("old Mac line ends", "a.csv", b"id,name\r1,a\r2,b\r", (2, 0)),
    Case("mixed line ends", "a.csv", b"id,name\r\n1,a\n2,b\r\n3,c", (3, 0)),
    Case("newline in quotes", "a.csv", HEADER + b'1,"a\nb"\n2,c\n', (1, 2)),
    Case("newline in quotes as told", "a.csv", HEADER + b'1,"a\nb"\n2,c\n', (2, 0), options={"multiLine": True},
         values=("1|a\nb", "2|c")),
    Case("quote never closed", "a.csv", HEADER + b'1,"a\n2,b\n3,c\n', (2, 1), reason="a quoted field isn't closed"),
    Case("quote never closed, many lines", "a.csv", HEADER + b'1,"a\n2,b\n3,c\n', (2, 1), options={"multiLine": True}),
    Case("quote inside a bare field", "a.csv", HEADER + b'1,5" disk\n2,b\n', (2, 0)),
    Case("separator in quotes", "a.csv", HEADER + b'1,"a,b"\n', (1, 0), values=("1|a,b",)),
    Case("a very long field", "a.csv", HEADER + b"1," + b"x" * (5 << 20) + b"\n2,b\n", (2, 0)),
    Case("spreadsheet formula", "a.csv", HEADER + b"1,=cmd|' /C calc'!A0\n", (1, 0)),
    Case("random bytes", "a.csv", bytes(range(256)) * 40, r"a.csv:\d+: "),
    Case("names that are SQL", "a.csv", b'a.b,"c ""d""",e`f,"x; DROP TABLE y--"\n1,2,3,4\n', (1, 0),
         {"a.b": "int", 'c "d"': "string", "e`f": "int", "x; DROP TABLE y--": "string"}, values=("1|2|3|4",)),
]
VALUES = [
    one("thousands separators", ["1,234", "1.234", "1'234", "1 234"], (1, 3), NUMBER, reason="x: expected double"),
    one("NaN and Infinity", ["NaN", "Infinity", "-Infinity", "1"], (4, 0), NUMBER,
        values=("nan", "inf", "-inf", "1.0")),
    one("NaN as a whole number", ["NaN", "1"], (1, 1), {"i": "int"}, reason="i: expected int, found 'NaN'"),
    one("numbers too large", ["1e400", "-1e400", "1e-400"], (1, 2), NUMBER, reason="x: expected double, found"),
    one("whole numbers too large", ["2147483648", "-2147483649", "2147483647"], (1, 2), {"i": "int"}),
    one("long ones too large", ["9223372036854775808", "9223372036854775807"], (1, 1), {"i": "bigint"}),
    one("decimals too large", ["12345.67", "123456.7"], (1, 1), {"d": "decimal(7,2)"}, reason="d: expected decimal"),
    one("other ways to write numbers", ["0x10", "1_000", "007", "+3", "1d", "1f"], (2, 4), {"i": "int"}),
    one("a currency", ["$5", "5 EUR", "5%"], (0, 3), NUMBER, reason="x: expected double"),
    Case("other digits", "a.csv", HEADER + "١٢,a\n1_000,b\n+3,c\n".encode(), (2, 1)),
    one("texts for null", ["NULL", "null", "N/A", "None", "1"], (1, 4), {"i": "int"}, reason="i: expected int"),
    one("truth in words", ["yes", "1", "Y", "TRUE", "false"], (2, 3), {"b": "boolean"}, reason="b: expected boolean"),
    one("dates out of range", ["10000-01-01", "0000-01-01", "-0001-01-01", "9999-12-31", "0001-01-02"], (2, 3), TIME,
        reason="t: expected timestamp"),
    one("days that are not", ["2013-02-30", "2013-13-01", "2013-00-10", "2012-02-29"], (1, 3), TIME),
    one("times that are not", ["2013-01-01T24:30:00", "2013-01-01T23:59:60", "T05:00", "05:00"], (0, 4), TIME),
    one("dates in other orders", ["01/02/2013", "1.2.2013", "20130102", "2013-1-2"], (1, 3), TIME),
    one("an hour that a zone skips", ["2013-03-10T02:30:00", "2013-03-10T02:30:00-05:00"], (2, 0), TIME,
        values=("2013-03-10 02:30:00", "2013-03-10 07:30:00")),
    one("an hour that a zone has twice", ["2013-11-03T01:30:00-04:00", "2013-11-03T01:30:00-05:00"], (2, 0), TIME,
        values=("2013-11-03 05:30:00", "2013-11-03 06:30:00")),
    one("mixed zones", ["2013-01-01T00:00:00Z", "2013-01-01T00:00:00+05:30", "2013-01-01 00:00:00"], (3, 0), TIME,
        values=("2013-01-01 00:00:00", "2012-12-31 18:30:00", "2013-01-01 00:00:00")),
    one("zones that are not", ["2013-01-01T00:00:00+25:00", "2013-01-01T00:00:00 Mars"], (0, 2), TIME),
    one("seconds since 1970", ["1356998400", "1356998400000"], (0, 2), TIME, reason="t: expected timestamp"),
]
ARCHIVES = [
    Case("zip", "a.csv", zipped(MANY), r"a.csv:1: expected text, found a zip archive"),
    Case("gzip without its ending", "a.csv", gzip.compress(MANY), r"a.csv:1: expected text, found gzip"),
    Case("its ending without gzip", "a.csv.gz", MANY, BROKEN),
    Case("truncated gzip", "a.csv.gz", gzip.compress(MANY)[:-20_000], BROKEN),
    Case("truncated small gzip", "a.csv.gz", gzip.compress(HEADER + b"1,a\n")[:-9], BROKEN),
    Case("two gzip members", "a.csv.gz", gzip.compress(HEADER + b"1,a\n") + gzip.compress(b"2,b\n"), (2, 0)),
    Case("an empty gzip", "a.csv.gz", gzip.compress(b""), (0, 0)),
    Case("bzip2", "a.csv.bz2", bz2.compress(HEADER + b"1,a\n"), (1, 0)),
    Case("truncated gzip", "a.json.gz", gzip.compress(b'{"id": 1}\n' * 90_000)[:-200], BROKEN),
]
JSON = [
    Case("text in JSON's place", "a.json", b"id,name\n1,a\n", (0, 2), reason="expected one JSON object a line"),
    Case("cut off in the middle", "a.json", b'{"id": 1}\n{"id": 2, "na', (1, 1), reason="one JSON object a line"),
    Case("a zero byte", "a.json", b'{"id": 1, "name": "\\u0000"}\n', (1, 0)),
    Case("a raw line break in a text", "a.json", b'{"id": 1, "name": "a\nb"}\n{"id": 2}\n', (1, 2)),
    Case("comments", "a.json", b'{"id": 1} // one\n{"id": 2}\n', (1, 1)),
    Case("an empty object", "a.json", b"{}\n", (1, 0)),
    Case("a key twice", "a.json", b'{"id": 1, "id": 2}\n', (1, 0), values=("2|None",)),
    Case("a key in capitals", "a.json", b'{"ID": 1}\n', r"a.json:1: column 'ID' isn't declared"),
    Case("very deep", "a.json", b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}\n" + b'{"id": 1}\n', (1, 1)),
    Case("an array of objects", "a.json", b'[{"id": 1}, {"id": 2}]\n', (0, 1), reason="one JSON object a line"),
    Case("numbers as texts", "a.json", b'{"id": "1"}\n{"id": 1.5}\n{"id": true}\n{"id": 1}\n', (1, 3)),
    Case("whole numbers too large", "a.json", b'{"id": 2147483648}\n{"id": 1e3}\n{"id": 7}\n', (1, 2)),
    Case("single quotes", "a.json", b"{'id': 1}\n{\"id\": 2}\n", (2, 0), values=("1|None", "2|None")),
    Case("a comma at the end", "a.json", b'{"id": 1,}\n{"id": 2}\n', (1, 1)),
]
PARQUET = [
    Case("a file cut short", "a.parquet", b"PAR1" + b"\0" * 50, r"a.parquet: can't be read"),
    Case("zero bytes", "a.parquet", b"", r"a.parquet: can't be read"),
    Case("its end is damaged", "a.parquet", parquet(id=pa.array([1], pa.int32()), name=["a"])[:-20]
         + b"x" * 16 + b"PAR1", r"a.parquet: can't be read"),
    Case("its middle is damaged", "a.parquet", b"PAR1" + b"\xff" * 40 + parquet(
        id=pa.array(range(9), pa.int32()), name=["a"] * 9)[44:], r"a.parquet: can't be read"),
    Case("another type", "a.parquet", parquet(id=["1"], name=["a"]), r"a.parquet: id: expected int, found string"),
    Case("another column", "a.parquet", parquet(id=pa.array([1], pa.int32()), nam=["a"]),
         r"a.parquet:1: declared column 'name' is missing \(did you mean 'nam'\?\)"),
    Case("text in its place", "a.parquet", HEADER + b"1,a\n", r"a.parquet: can't be read"),
]  # fmt: skip
CASES = [*ENCODINGS, *SHAPES, *VALUES, *ARCHIVES, *JSON, *PARQUET]


def listing() -> str:
    """docs/bad-input.md: each case with its outcome."""
    loaded = sum(not isinstance(case.outcome, str) and not case.outcome[1] for case in CASES)
    refused = sum(isinstance(case.outcome, str) for case in CASES)
    lines = [
        "# Bad input, and what becomes of it",
        "",
        "Always one of three: loaded as declared, quarantined with its reason, or the file refused with a message that",
        f"names it. Of these {len(CASES)}, each a test (`tests/sources/corpus`), {loaded} load whole,",
        f"{len(CASES) - loaded - refused} quarantine some of their rows, {refused} are refused. Besides them: a",
        "missing file, a folder in a file's place, a file that vanishes or changes while it is read, one that may not",
        "be read, links out of the landing folder, formulas in exports, and whatever bytes hypothesis thinks of.",
        "",
        "| file | case | outcome |",
        "|---|---|---|",
    ]
    rows = [f"| {case.file} | {_cell(case.name)} | {_cell(_outcome(case))} |" for case in CASES]
    return "\n".join([*lines, *rows]) + "\n"


def _outcome(case: Case) -> str:
    if isinstance(case.outcome, str):
        return "refused: " + case.outcome.replace("\\", "").replace(".*", " ... ")
    good, bad = case.outcome
    reason = f": {case.reason}" if case.reason else ""
    parts = [f"{good:,} loaded"] * bool(good or not bad) + [f"{bad:,} quarantined{reason}"] * bool(bad)
    return ", ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", " or ").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    print(listing(), end="")  # noqa: T201
