"""Perdure in a notebook: one object that lives a pipeline and shows its tables, in the session that is there."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from perdure.core import pipeline_file
from perdure.core.protocols import Read
from perdure.io import session
from perdure.run.context import Context
from perdure.run.flow import Session, due
from perdure.run.gather import gather
from perdure.run.progress import Progress
from perdure.run.summary import Line, lines

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Life:
    """A pipeline opened for looking and for living. Use as a context manager, or call `close` at the end."""

    def __init__(self, file: str, target: str | None = None, *, silent: bool = False) -> None:
        """`file`: the pipeline file. Raises PipelineFileError with all its problems."""
        pipeline = pipeline_file.load(file, target)
        self._context = Context(pipeline, session.get(f"perdure {pipeline.pipeline}"), Progress(silent=silent), file)

    def __enter__(self) -> Life:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Waits until every record is stored."""
        self.close()

    def run(self, since: str | None = None, until: str | None = None) -> int:
        """Lives what is due between two intervals (default: the pipeline's own range); gives how many runs it did."""
        work = Session(self._context)
        work.live(list(due(self._context, since, until)))
        return len(work.tally.done)

    def table(self, name: str) -> DataFrame:
        """A table of the pipeline's, by its logical name: `features`, `predictions`, `<source>_quarantine`, ..."""
        return self._context.tables.read(Read(name))

    def lines(self) -> list[Line]:
        """The life so far, an interval a line."""
        return lines(self._context.ledger.records)

    def report(self) -> str:
        """The report as HTML, for `displayHTML`."""
        from perdure.report.render import render

        return render(gather(self._context))

    def close(self) -> None:
        """Waits until every record is stored."""
        self._context.ledger.close()


def parameter(name: str, default: str) -> str:
    """A notebook's parameter: its widget on Databricks, the environment variable PERDURE_<NAME> elsewhere."""
    try:
        from pyspark.dbutils import DBUtils  # type: ignore[import-not-found]
    except ImportError:
        return os.environ.get(f"PERDURE_{name.upper()}", default)
    widgets = DBUtils(session.get("perdure")).widgets
    widgets.text(name, default)
    return str(widgets.get(name))
