"""Readers of raw data, one format a file: `csv`, `json`, `parquet`; the file's name is the name in the pipeline file.

Each module gives `read(spark, files, config) -> DataFrame`: the declared columns with their declared types, then

- `_file` string: the file the row came from;
- `_line` bigint: the record's place in that file: its 1-based line, or its row in formats without lines;
- `_record` string: the raw text of a rejected row, null for the others;
- `_reject` string: why it was rejected, with the column and what was expected; null when the row parsed.

Nothing is inferred, cached or dropped. A record that can't be read as declared is a row with a `_reject`, whose columns
hold what could still be read; a file that can't be read as declared raises `SourceError`, with its name and line. What
only shows while rows flow (a truncated archive, a file that vanished) comes out of Spark's action; `explain` turns that
into the same `SourceError`.

Times: ISO 8601. A timestamp without a zone is UTC.
"""

from __future__ import annotations

from ._errors import explain

__all__ = ["explain"]
