"""Data Docs of what the ledger holds: the newest validation of every source and interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perdure.core.errors import UsageError
from perdure.quality.docs import Validated, write_site

from .gather import default_file

if TYPE_CHECKING:
    from .context import Context


def write(context: Context, folder: Path | None = None) -> Path:
    """Writes the pages that aren't there yet, and the index; gives the index's path. Default folder: `data_docs` beside
    the report. Raises UsageError before the first validation by a suite."""
    pipeline = context.pipeline
    place = folder or default_file(context).with_name("data_docs")
    newest = {(record.subject, record.interval): record for record in context.ledger.records
              if record.step == "validate" and record.status != "failed" and record.facts.get("result")}  # fmt: skip
    if not newest:
        raise UsageError(f"{pipeline.pipeline} has no validation by a suite yet; name one under expectations, then run")
    found = [
        Validated(record.subject, record.interval, record.started_at, record.run_id, record.facts["result"])
        for record in newest.values()
    ]
    return write_site(pipeline.pipeline, found, place)
