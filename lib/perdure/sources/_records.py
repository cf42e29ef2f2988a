"""Records that one line can't hold or Spark can't decode: whole files cut into records in Python, one file a task.

Used for CSV with `multiLine` and for encodings that Spark's line reader doesn't know. A file must fit a task's memory
(2 GB at most), as with Spark's own `multiLine`.
"""

from __future__ import annotations

import bz2
import gzip
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ._errors import plain_path

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

SCHEMA = "value string, _file string, _line bigint"
_BATCH = 20_000
_LINE = r"[^\r\n]*(?:\r\n|\n|\r|\Z)"


def pattern(separator: str, quote: str, escape: str) -> str:
    """A regular expression for one CSV record with its line end; quoted fields may hold separators and line ends. A
    quote that is never closed stays on its own line, so that it takes no other record with it."""
    mark, sep = re.escape(quote), re.escape(separator)
    inner = (
        rf"(?:[^{mark}]|{mark}{mark})*"
        if escape == quote
        else rf"(?:[^{mark}{re.escape(escape)}]|{re.escape(escape)}.)*"
    )
    plain = rf"[^{sep}\r\n]*" if len(separator) == 1 else rf"(?:(?!{sep})[^\r\n])*"
    field = rf"(?:{mark}{inner}{mark}{plain}|{plain})"
    return rf"(?s:{field}(?:{sep}{field})*(?:\r\n|\n|\r|\Z))"


def records(files: DataFrame, encoding: str, record: str = _LINE) -> DataFrame:
    """`files` (path, content) to one row a record: `value`, `_file`, `_line` (where it begins). Blank ones are left
    out; undecodable bytes become U+FFFD."""
    return files.select("path", "content").mapInArrow(partial(_cut, encoding=encoding, record=record), SCHEMA)


def _cut(batches: Iterator[pa.RecordBatch], encoding: str, record: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for path, content in zip(batch.column("path").to_pylist(), batch.column("content").to_pylist(), strict=True):
            text = _unpacked(path)(content).decode(encoding, errors="replace").removeprefix("\ufeff")
            yield from _rows(plain_path(path), text, re.compile(record))


def _unpacked(path: str) -> Callable[[bytes], bytes]:
    return gzip.decompress if path.endswith(".gz") else bz2.decompress if path.endswith(".bz2") else bytes


def _rows(path: str, text: str, record: re.Pattern[str]) -> Iterator[pa.RecordBatch]:
    values: list[str] = []
    numbers: list[int] = []
    line = 1
    for match in record.finditer(text):
        found = match.group()
        value = found.rstrip("\r\n")
        if value.strip():
            values.append(value)
            numbers.append(line)
        line += len(re.findall(r"\r\n|\n|\r", found))
        if len(values) == _BATCH:
            yield _batch(path, values, numbers)
            values, numbers = [], []
    if values:
        yield _batch(path, values, numbers)


def _batch(path: str, values: list[str], numbers: list[int]) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [
        pa.array(values, pa.string()),
        pa.array([path] * len(values), pa.string()),
        pa.array(numbers, pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, ["value", "_file", "_line"])
