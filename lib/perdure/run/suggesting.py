"""Which rows a suite is suggested from: a pipeline's source, as it was ingested or as it landed, or a plain file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import UsageError
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.protocols import Read
from perdure.core.registry import did_you_mean
from perdure.quality.trial import Suggestion, suggest
from perdure.sources import _files

from .context import Context

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def of_source(context: Context, name: str, share: float) -> Suggestion:
    """From all that was ingested of a source; before the first ingest, from all its files that there are. Raises
    UsageError for an unknown source or one without rows."""
    sources = context.pipeline.sources
    if name not in sources:
        raise UsageError(f"no source '{name}'{did_you_mean(name, sources)}; there are: {', '.join(sources)}")
    source, table = sources[name], f"raw_{name}"
    if context.tables.exists(table):
        rows = context.tables.read(Read(table))
    else:
        location = resolve_secrets(source.path.replace("{interval}", "*"))
        rows = _parsed(context.spark, context.pipeline.location(location), source)
    needed = (*source.key, *((source.event_time,) if source.event_time else ()))
    return _checked(rows, source.columns, name, needed, share)


def of_file(spark: SparkSession, file: Path, share: float) -> Suggestion:
    """From a CSV (with a header), JSON lines or Parquet file, whose types are inferred from its beginning. Raises
    UsageError when it can't be read or has no rows."""
    from perdure.init import read_sample, sql_type

    beginning, kind = read_sample(file)
    columns = {str(name): sql_type(beginning[name]) for name in beginning.columns}
    source = Source(format=kind, path=str(file), schema=columns)
    return _checked(_parsed(spark, str(file.absolute()), source), columns, file.stem, (), share)


def write(suite: Mapping[str, object], file: Path, *, force: bool) -> None:
    """Writes a suite. Raises UsageError when the file is there and `force` isn't given."""
    if file.exists() and not force:
        raise UsageError(f"{file}: there already; choose another with --output, or --force to write over it")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(suite, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _parsed(spark: SparkSession, location: str, source: Source) -> DataFrame:
    files = _files.list_files(spark, location)
    if not files:
        raise UsageError(f"{location}: no such file")
    rows: DataFrame = registry.load("perdure.sources", source.format).read(spark, [file.path for file in files], source)
    return rows


def _checked(
    rows: DataFrame, columns: Mapping[str, str], name: str, required: tuple[str, ...], share: float
) -> Suggestion:
    found = suggest(rows.where("_reject IS NULL"), columns, name=name, required=required, share=share)
    if not found.seen:
        raise UsageError(f"{name} has no rows to suggest rules from")
    return found
