"""JSON lines: one object a line, anything else kept with its line and reason."""

# ruff: noqa: DTZ001 (Spark hands times out without a zone)
from __future__ import annotations

import json as pyjson
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources import json

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {"id": "int", "name": "string", "at": "timestamp", "size": "double", "price": "decimal(5,2)", "day": "date"}


def source(columns: dict[str, str] | None = None, **options: str | int | bool) -> Source:
    return Source(format="json", path="x", schema=columns or COLUMNS, options=options)


def rows(spark: SparkSession, files: list[Path], config: Source | None = None) -> list[Any]:
    found = json.read(spark, [str(file) for file in files], config or source()).collect()
    return sorted(found, key=lambda row: (row["_file"], row["_line"] or 0, str(row)))


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "a.jsonl") -> Path:
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_good_rows_have_their_declared_types(spark: SparkSession, written: Callable[..., Path]) -> None:
    record = {
        "size": 1.5,
        "id": 1,
        "name": "a\nb",
        "at": "2013-01-01T05:00:00+02:00",
        "price": 1.25,
        "day": "2013-01-01",
    }
    file = written(pyjson.dumps(record) + '\r\n\n  \n{"id": 2, "name": {"deep": [1, "x"]}}')
    first, second = rows(spark, [file])
    assert list(first)[:6] == [1, "a\nb", datetime(2013, 1, 1, 3), 1.5, Decimal("1.25"), date(2013, 1, 1)]
    assert list(second) == [2, '{"deep":[1,"x"]}', None, None, None, None, str(file), 4, None, None]


REASONS = [
    ('{"id": "12x", "name": "n"}', "id: expected int, found '12x'"),
    ('{"id": 1.5}', "id: expected int, found '1.5'"),
    ('{"id": 99999999999}', "id: expected int, found '99999999999'"),
    (
        '{"at": "2013-02-30", "size": "big"}',
        "at: expected timestamp, found '2013-02-30'; size: expected double, found 'big'",
    ),
    ('{"at": "T05:00"}', "at: expected timestamp, found 'T05:00'"),
    ('{"size": 1e400}', "size: expected double, found '\"Infinity\"'"),
    ('{"price": 123456.1}', "price: expected decimal(5,2), found '123456.1'"),
    ('{"id": 1', "expected one JSON object a line"),
    ('{"id": 1} {"id": 2}', "expected one JSON object a line"),
    ('{"id": 1},{"id": 2}', "expected one JSON object a line"),
    ('{"id": 1}{"id": 2}', "expected one JSON object a line"),
    ('{"id": 1} x', "expected one JSON object a line"),
    ('[{"id": 1}, {"id": 2}]', "expected one JSON object a line"),
    ("null", "expected one JSON object a line"),
    ("{id: 1}", "not valid JSON"),
    ('{"id": 01}', "not valid JSON"),
    ('{"name": ' + "[" * 3000 + "]" * 3000 + "}", "not valid JSON"),
]


def test_rejected_rows_tell_line_record_and_reason(spark: SparkSession, written: Callable[..., Path]) -> None:
    good = '{"id": 7, "name": "} {", "size": "NaN"}\n'
    file = written(good + "".join(f"{record}\n{good}" for record, _ in REASONS))
    found = rows(spark, [file])
    rejected = [(row["_line"], row["_record"], row["_reject"]) for row in found if row["_reject"]]
    assert rejected == [(2 + 2 * at, record, reason) for at, (record, reason) in enumerate(REASONS)]
    assert sum(row["id"] == 7 for row in found) == len(REASONS) + 1


def test_what_is_lenient_is_so_on_purpose(spark: SparkSession, written: Callable[..., Path]) -> None:
    file = written('{"id": 1, "id": 2}\n{"name": 5}\n{"size": 3}\n\ufeff{"id": 4}\n{"id": null}\n')
    found = json.read(spark, [str(file)], source()).select("id", "name", "size", "_reject").collect()
    assert [tuple(row) for row in found] == [
        (2, None, None, None),
        (None, "5", None, None),
        (None, None, 3.0, None),
        (4, None, None, None),
        (None, None, None, None),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(spark: SparkSession, written: Callable[..., Path], encoding: str) -> None:
    file = written('{"id": 1, "name": "Zoë"}\n{"id": "x"}\n'.encode(encoding))
    config = source() if encoding == "utf-8-sig" else source(encoding=encoding)
    good, bad = rows(spark, [file], config)
    assert (good["name"], bad["_line"]) == ("Zoë", 2)


def test_names_may_hold_anything(spark: SparkSession, written: Callable[..., Path]) -> None:
    columns = {"a.b": "int", 'c "d"': "string", "e`f": "int", "$": "int"}
    good, bad = rows(spark, [written('{"a.b":1,"c \\"d\\"":"2","e`f":3,"$":4}\n{"e`f":"x"}\n')], source(columns))
    assert list(good)[:4] == [1, "2", 3, 4]
    assert bad["_reject"] == "e`f: expected int, found 'x'"


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_files_without_rows_have_none(spark: SparkSession, written: Callable[..., Path], text: str) -> None:
    assert json.read(spark, [str(written(text))], source()).count() == 0


def test_an_undeclared_key_is_refused(spark: SparkSession, written: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match=r"a.jsonl:2: column 'nam' isn't declared \(did you mean 'name'\?\)"):
        rows(spark, [written('\n{"id": 1, "nam": "x"}\n')])


def test_a_first_record_longer_than_the_look_ahead_is_fine(spark: SparkSession, written: Callable[..., Path]) -> None:
    (row,) = rows(spark, [written('{"id": 1, "name": "' + "n" * (3 << 20) + '"}\n')])
    assert len(row["name"]) == 3 << 20


def test_whole_documents_are_refused(spark: SparkSession, written: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match="multiLine"):
        rows(spark, [written("{}")], source(multiLine=True))
