"""Perdure in a notebook: one object that lives a pipeline and shows its tables, in the session that is there.

`Life` looks and lives; `show` and `chart` put small tables and charts under a cell, in Jupyter, on Databricks, and as
text where a notebook runs as a plain program. Nothing here needs a package that only one of these has.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union

from perdure.core import pipeline_file
from perdure.core.config import Pipeline
from perdure.core.errors import UsageError
from perdure.core.interval import Interval
from perdure.core.protocols import Read, RunRecord
from perdure.io import session
from perdure.run import plans
from perdure.run.context import Context
from perdure.run.flow import Session, due
from perdure.run.gather import gather
from perdure.run.progress import Progress
from perdure.run.summary import Line, lines

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from perdure.features.leakage import Difference
    from perdure.steps.train import TrainedModel

Rows = Union["DataFrame", Sequence[Mapping[str, Any]]]
_MOST = 5000


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

    @property
    def pipeline(self) -> Pipeline:
        """What the pipeline file says."""
        return self._context.pipeline

    @property
    def records(self) -> list[RunRecord]:
        """Every run in the ledger, oldest first."""
        return list(self._context.ledger.records)

    def run(self, since: str | None = None, until: str | None = None) -> int:
        """Lives what is due between two intervals (default: the pipeline's own range); gives how many runs it did."""
        work = Session(self._context)
        work.live(list(due(self._context, since, until)))
        return len(work.tally.done)

    def step(self, name: str, interval: str) -> Any:
        """Does one step of one interval (`ingest`, ..., `retrain`): what `jobs/<name>.py --interval` does."""
        return getattr(Session(self._context), name)(self.interval(interval))

    def table(self, name: str) -> DataFrame:
        """A table of the pipeline's, by its logical name: `features`, `predictions`, `<source>_quarantine`, ..."""
        return self._context.tables.read(Read(name))

    def where(self, name: str) -> str:
        """A table as SQL names it."""
        return self._context.tables.sql_name(name)

    def newest(self, name: str) -> DataFrame:
        """A table's rows less those that a later run of the same interval replaces: the monitoring tables are logs."""
        from pyspark.sql import functions as F

        runs = sorted({record.run_id for record in self._context.ledger.producers(Read(name))})
        return self.table(name).where(F.col("_run_id").isin(runs))

    def interval(self, label: str) -> Interval:
        """An interval of the pipeline's, by its label."""
        return Interval.parse(label, self.pipeline.interval)

    def lines(self) -> list[Line]:
        """The life so far, an interval a line."""
        return lines(self._context.ledger.records)

    def features(self, interval: str, sql: str | None = None) -> DataFrame:
        """An interval's features as the pipeline's SQL, or another `sql` in its place, gives them now. Nothing is
        stored. Lazy."""
        from perdure.features.build import build

        return build(self._sources(interval), _Other(self.pipeline, sql), self.interval(interval))  # type: ignore[arg-type]

    def leaks(self, interval: str, cuts: Iterable[str], sql: str | None = None) -> list[Difference]:
        """For each cut (ISO time in UTC) within the interval: how many features of rows before it are computed from
        what became known after it. Should be none."""
        from perdure.features.leakage import rows_that_differ

        moments = [datetime.fromisoformat(f"{cut}+00:00") for cut in cuts]
        pipeline: Any = _Other(self.pipeline, sql)
        return rows_that_differ(self._sources(interval), pipeline, self.interval(interval), moments)

    def candidate(self, interval: str, **model: Any) -> TrainedModel:
        """A model trained on what was known at the interval's end, with some of the file's `model` section changed
        (`families=("gbt",)`). It is not registered, and nothing is stored: `train` is a pure function."""
        from perdure.steps.train import train

        pipeline = self.pipeline.model_copy(update={"model": self.pipeline.model.model_copy(update=model)})
        cut = self.interval(interval).end
        wishes = plans.train(self._context, self.interval(interval)).reads
        rows = {wish.table: self._context.tables.read(wish) for wish in wishes}
        trained: TrainedModel = train(rows["features"], rows["labels"], pipeline=pipeline, cut=cut).value
        trained.release()
        return trained

    def model(self, version: str) -> Any:
        """The Spark model of a registered version. Its classes are those at one half, whatever the version goes by."""
        return self._context.tracking.load(version)

    def report(self) -> str:
        """The report as one HTML page."""
        from perdure.report.render import render

        return render(gather(self._context))

    def close(self) -> None:
        """Waits until every record is stored."""
        self._context.ledger.close()

    def _sources(self, interval: str) -> dict[str, DataFrame]:
        """The validated sources with the history that an interval's features look back on."""
        wishes = plans.featurize(self._context, self.interval(interval)).reads
        return {wish.table: self._context.tables.read(wish) for wish in wishes}


class _Other:
    """A pipeline whose features come from another SELECT."""

    def __init__(self, pipeline: Pipeline, sql: str | None) -> None:
        self._pipeline, self._sql = pipeline, sql

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def reads_sql(self) -> dict[str, str]:
        found = self._pipeline.reads_sql()
        return found if self._sql is None else {**found, "features": self._sql}


def parameter(name: str, default: str) -> str:
    """A notebook's parameter: its widget on Databricks, the environment variable PERDURE_<NAME> elsewhere."""
    try:
        from pyspark.dbutils import DBUtils  # type: ignore[import-not-found]
    except ImportError:
        return os.environ.get(f"PERDURE_{name.upper()}", default)
    widgets = DBUtils(session.get("perdure")).widgets
    widgets.text(name, default)
    return str(widgets.get(name))


def show(rows: Rows, title: str = "") -> None:
    """A small table under the cell. Raises UsageError for more than 5,000 rows: a notebook shows aggregates."""
    found = _small(rows)
    names = list(dict.fromkeys(name for row in found for name in row))
    if _in_notebook():
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        cells = ("".join(f"<td>{html.escape(_text(row.get(name)))}</td>" for name in names) for row in found)
        body = "".join(f"<tr>{line}</tr>" for line in cells)
        caption = f"<caption>{html.escape(title)}</caption>" if title else ""
        display(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*names, title=title or None, title_justify="left", box=None, pad_edge=False)
    for row in found:
        table.add_row(*(_text(row.get(name)) for name in names))
    Console(width=200, highlight=False, markup=False).print(table)


def chart(rows: Rows, x: str, y: str, *, colour: str | None = None, mark: str = "line", title: str = "") -> str:
    """A chart of small rows under the cell: `mark` is line, bar or point; column `colour` tells series apart. Gives
    the SVG. Raises UsageError for more than 5,000 rows."""
    import vl_convert

    found = [{name: _plain(value) for name, value in row.items()} for row in _small(rows)]
    kinds = {name: _kind([row.get(name) for row in found]) for name in (x, y)}
    flat = {"scale": {"zero": mark == "bar"}} if kinds[y] == "quantitative" else {}
    sides: tuple[tuple[str, dict[str, Any]], ...] = ((x, {}), (y, flat))
    encoding: dict[str, Any] = {
        side: {"field": name, "type": kinds[name], "title": name, "sort": None, **more}
        for side, (name, more) in zip("xy", sides, strict=True)
    }
    if colour:
        encoding["color"] = {"field": colour, "type": "nominal"}
    spec = {"title": title, "width": 720, "height": 240, "data": {"values": found}, "encoding": encoding}
    drawing: str = vl_convert.vegalite_to_svg({**spec, "mark": {"type": mark, "tooltip": False}})
    if _in_notebook():
        display(drawing)
    else:
        print(f"chart: {title} ({len(found)} points)")  # noqa: T201 (a notebook's cell shows what it prints)
    return drawing


def display(page: str) -> None:
    """HTML under the cell; where there is no notebook, only how long it is."""
    if _in_notebook():
        from IPython.display import HTML
        from IPython.display import display as put

        put(HTML(page))
    else:
        print(f"page of {len(page):,} characters")  # noqa: T201


def _in_notebook() -> bool:
    """Whether cells are run by IPython, as Jupyter and Databricks do."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None


def _small(rows: Rows) -> list[Mapping[str, Any]]:
    found = rows if isinstance(rows, Sequence) else [row.asDict(True) for row in rows.limit(_MOST + 1).collect()]
    if len(found) > _MOST:
        raise UsageError(f"a notebook shows at most {_MOST:,} rows, this has more: aggregate them, or add a limit")
    return list(found)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _kind(values: list[Any]) -> str:
    """The axis that suits a column's values; text that reads as ISO times is time."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, (int, float)) for value in present):
        return "quantitative"
    return "temporal" if present and all(_is_time(value) for value in present) else "ordinal"


def _is_time(value: Any) -> bool:
    try:
        return "T" in str(value) and datetime.fromisoformat(str(value)) is not None
    except ValueError:
        return False
