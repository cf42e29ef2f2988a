"""The first line of a file, read before anything else: a header, or a record to know the keys by."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from perdure.core.errors import SourceError

from ._errors import explain
from ._files import is_local, spark_path
from ._lines import Options, encoding_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MOST = 1 << 20
_LINE_END = re.compile(r"\r\n|\n|\r")
_MAGIC = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"\x1f\x8b": "gzip-compressed: end its name in .gz",
    b"BZh": "bzip2-compressed: end its name in .bz2",
    b"PAR1": "a Parquet file: set format: parquet",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an Excel or Word file: export it as CSV",
}


@dataclass(frozen=True)
class Head:
    """A file's first line that isn't blank: its text (a byte-order mark included) and its number."""

    text: str
    line: int


def head(spark: SparkSession, path: str, options: Options, *, cut: bool = False) -> Head | None:
    """The first line that isn't blank, or None when there is none. A line longer than 1 MiB raises SourceError, or
    comes cut off with `cut`; so does a file that can't be opened or that isn't text in its encoding (naming file and
    line)."""
    if not is_local(path):
        return _from_spark(spark, path)
    content = _beginning(path)
    if not content:
        return None
    for magic, meaning in _MAGIC.items():
        if content.startswith(magic):
            raise SourceError(f"{path}:1: expected text, found {meaning}")
    text = _decoded(path, content, encoding_of(options), lenient=cut)
    return _first(path, text, cut=cut or len(content) < _MOST)


def _decoded(path: str, content: bytes, encoding: str, *, lenient: bool) -> str:
    """The text up to the first bytes that aren't any; with `lenient` all of it. Those in the first line are refused."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)("replace" if lenient else "strict")
        return decoder.decode(content, final=len(content) < _MOST)
    except LookupError as error:
        raise SourceError(f"{path}: no text encoding is called '{encoding}'") from error
    except UnicodeDecodeError as error:
        whole = content[: error.start].decode(encoding, errors="replace")
        if _LINE_END.search(whole.lstrip()):
            return whole
        raise SourceError(
            f"{path}:1: not valid {encoding} text (byte {error.start}): set the option 'encoding', or mend the file"
        ) from error


def _first(path: str, text: str, *, cut: bool) -> Head | None:
    lines = _LINE_END.split(text)
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            hint = "(or UTF-16: set the option encoding: utf-16)"
            raise SourceError(f"{path}:{number}: expected text, found binary data {hint}")
        if line.strip().strip("\ufeff"):
            if number == len(lines) and not cut:
                raise SourceError(f"{path}:{number}: no line end within the first MiB: is this a text file?")
            return Head(line, number)
    return None


def _beginning(path: str) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(_MOST)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{path}: its compression is broken, or its name promises one that it doesn't have: {error}"
        ) from error
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror or error}") from error


def _opened(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return cast("IO[bytes]", bz2.open(path, "rb")) if path.endswith(".bz2") else open(path, "rb")


def _from_spark(spark: SparkSession, path: str) -> Head | None:
    """Of a file only Spark can open: one job that stops after the first lines."""
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    try:
        rows = spark.read.text(spark_path(path)).withColumn("_at", F.monotonically_increasing_id())
        found = rows.where(F.trim("value") != "").limit(1).collect()
    except PySparkException as error:
        raise explain(error) or error from error
    return Head(found[0]["value"], int(found[0]["_at"]) + 1) if found else None
