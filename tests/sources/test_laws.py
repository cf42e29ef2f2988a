"""Every registered source is held to the laws, with generated values."""

from __future__ import annotations

import csv
import json
import string
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core import registry
from perdure.testing import sources as laws

from .drawn import few

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = {
    "a": "int",
    "b": "bigint",
    "c": "double",
    "d": "string",
    "e f": "string",
    "g": "boolean",
    "h": "timestamp",
    "i": "date",
    "j": "decimal(9,3)",
}


def _mixed(rows: Sequence[laws.Row], bad: Sequence[str], text: Callable[[laws.Row], str]) -> Iterator[tuple[str, bool]]:
    """Good and bad records in turn."""
    for row, record in zip_longest(rows, bad):
        if row is not None:
            yield text(row), False
        if record is not None:
            yield record, True


def _write(path: Path, records: Iterator[tuple[str, bool]], first: str) -> list[int]:
    line, lines = 1 + bool(first), []
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(first)
        for text, is_bad in records:
            lines += [line] if is_bad else []
            line += text.count("\n") + 1
            out.write(text + "\n")
    return lines


class _Line:
    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _csv_line(values: Sequence[Any]) -> str:
    line = _Line()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.text.removesuffix("\n")


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc).isoformat()
    if isinstance(value, float) and value != value:
        return "NaN"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def write_csv(path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    records = _mixed(rows, bad, lambda row: _csv_line([_written(row[name]) for name in COLUMNS]))
    return _write(path, records, _csv_line(list(COLUMNS)) + "\n")


def write_json(path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    def text(row: laws.Row) -> str:
        keys = reversed(list(row)) if row["a"] else row
        return json.dumps({key: row[key] for key in keys if row[key] is not None or key == "a"}, default=_json)

    return _write(path, _mixed(rows, bad, text), "")


def _json(value: Any) -> str:
    return str(_written(value)) if isinstance(value, datetime) else str(value)


STAMP = pa.timestamp("us", "UTC")
ARROW = [pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.string(), pa.bool_(), STAMP, pa.date32()]
ARROW.append(pa.decimal128(9, 3))


def table_of(rows: Sequence[laws.Row]) -> pa.Table:
    arrays = [pa.array([row[name] for row in rows], kind) for name, kind in zip(COLUMNS, ARROW, strict=True)]
    return pa.table(arrays, names=list(COLUMNS))


def write_parquet(path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    pq.write_table(table_of(rows), path)
    return []


def frame_of(rows: Sequence[laws.Row]) -> DataFrame:
    """The rows as Spark has them, for sources that Spark writes."""
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    assert spark is not None
    return spark.createDataFrame(table_of(rows))


def write_delta(path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    writer = frame_of(rows).write.format("delta").option("delta.columnMapping.mode", "name")
    writer.mode("overwrite").save(str(path))
    return []


BAD_CSV = ("1,2", "x,,,,,,,,", 'oops, "no', ",,,,,,,2013-02-30,")
SAMPLES = [
    laws.Sample("csv", COLUMNS, write_csv, BAD_CSV),
    laws.Sample("csv", COLUMNS, write_csv, (*BAD_CSV[:2], "1,\"a\nb\""), {"multiLine": True}),
    laws.Sample("json", COLUMNS, write_json, ('{"a": 1.5}', "{", "[]", '{"h": "T05:00"}')),
    laws.Sample("parquet", COLUMNS, write_parquet),
    laws.Sample("delta", COLUMNS, write_delta, table=True),
]  # fmt: skip


def values(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    finite = st.floats(allow_infinity=False, allow_nan=True)
    columns = {
        "a": st.integers(-(2**31), 2**31 - 1),
        "b": st.integers(-(2**63), 2**63 - 1),
        "c": finite,
        "d": text,
        "e f": text,
        "g": st.booleans(),
        "h": st.datetimes(datetime(1900, 1, 1), datetime(2020, 1, 1)),  # noqa: DTZ001
        "i": st.dates(date(1, 1, 1), date(9999, 12, 31)),
        "j": st.decimals(-999999, 999999, places=3).map(lambda value: Decimal(value).quantize(Decimal("0.001"))),
    }
    return st.fixed_dictionaries({name: st.none() | value for name, value in columns.items()})


# Not drawn: an empty text (CSV has no way to tell it from null that all writers share), the line ends that CSV reads
# only with multiLine, and what isn't a character (lone surrogates).
CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0\ufeff")
TEXT = st.text(
    st.sampled_from(string.printable.replace("\r", "").replace("\n", "")) | CHARACTERS, min_size=1, max_size=9
)


def test_every_source_has_a_sample() -> None:
    # A database and a broker are servers: test_postgres.py and test_kafka.py hold them to the laws.
    assert {sample.format for sample in SAMPLES} | {"jdbc", "kafka"} == set(registry.names("perdure.sources"))


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: "-".join([sample.format, *sample.options]))
@few(3)
@given(data=st.data())
def test_law(spark: SparkSession, tmp_path: Path, law: Any, sample: laws.Sample, data: st.DataObject) -> None:
    text = TEXT.filter(str.strip)
    if "multiLine" in sample.options:
        text = st.builds(lambda a, b: f"{a}\n{b}", text, text) | text
    rows = data.draw(st.lists(values(text), min_size=15, max_size=40))
    law(spark, sample, tmp_path, rows)
