"""What every run of a session shares: the pipeline, its tables, ledger and registry, and who runs it where."""

from __future__ import annotations

import getpass
import hashlib
import platform
import socket
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from perdure import __version__
from perdure.core.config import Pipeline
from perdure.core.errors import UsageError
from perdure.core.interval import Interval
from perdure.io.ledger import Ledger
from perdure.io.tables import Tables
from perdure.io.tracking import Tracking

from .progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class Context:
    """One pipeline opened on one target. Use as a context manager: leaving it waits for the last record. Raises
    UsageError where the target was lived in intervals of another width."""

    pipeline: Pipeline
    spark: SparkSession
    progress: Progress
    file: str
    dry_run: bool = False
    tables: Tables = field(init=False)
    ledger: Ledger = field(init=False)
    tracking: Tracking = field(init=False)

    def __post_init__(self) -> None:
        """Opens tables, ledger and tracking."""
        place = self.pipeline.place
        self.tables = Tables(self.spark, place, str(self.pipeline.root))
        self.ledger = Ledger(self.spark, self.tables, self.pipeline.pipeline)
        _require_same_intervals(self.pipeline, self.ledger)
        name = self.pipeline.pipeline
        if place.catalog and place.tracking == "databricks":
            name = f"{place.catalog}.{place.schema_name}.{name}"
        self.tracking = Tracking(
            place.tracking,
            name,
            root=self.pipeline.root,
            artifacts=self.pipeline.location(f"{place.storage}/models"),
            experiment=place.experiment,
        )

    @cached_property
    def environment(self) -> dict[str, str]:
        """What a result may depend on: versions, session settings, the project's commit."""
        return {**environment(self.spark), "commit": git_commit(self.pipeline.root)}

    def __enter__(self) -> Context:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Waits until every record is stored."""
        self.ledger.close()


def _require_same_intervals(pipeline: Pipeline, ledger: Ledger) -> None:
    last = next((record for record in reversed(ledger.records) if record.interval_start), None)
    if last is None:
        return
    start, end = map(datetime.fromisoformat, (last.interval_start, last.interval_end))
    now = Interval.containing(start, pipeline.interval)
    if (now.start, now.end) != (start, end):
        raise UsageError(
            f"target '{pipeline.target}' was lived in intervals like {last.interval}, from {start:%Y-%m-%dT%H:%M} to "
            f"{end:%Y-%m-%dT%H:%M}; those of the pipeline file are of {pipeline.interval}, and each row would be there "
            "twice. Set `interval` back, or give the target another `storage`"
        )


@cache
def code_version() -> str:
    """SHA-256 (first 16 hex) over the library's own source files: the part of the code that a result depends on."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources(resources.files("perdure"), "")):
        digest.update(f"{name}\0".encode() + content + b"\0")
    return digest.hexdigest()[:16]


# What shows results, or lets people in, but never shapes them.
_OUTSIDE = (
    "report/",
    "airflow/",
    "testing/",
    "cli.py",
    "cli_data.py",
    "cli_operate.py",
    "cli_serve.py",
    "bundle.py",
    "cli_trust.py",
    "ipynb.py",
    "notebook.py",
    "init.py",
    "init/",
    "quality/docs/",
    "run/data_docs.py",
    "run/history.py",
    "run/terminal.py",
    "run/lineage.py",
    "run/audit.py",
    "run/audit_view.py",
    "run/explain_view.py",
    "run/cards.py",
    "run/erase.py",
    "run/promote.py",
    "run/progress.py",
    "run/gather.py",
    "run/reproduce.py",
    "run/replay.py",
    "run/scratch.py",
    "run/owed.py",
    "run/standing.py",
    "core/schedule.py",
    "core/chain.py",
)


def _sources(folder: Any, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir() and entry.name != "__pycache__":
            found += _sources(entry, f"{name}/")
        elif entry.name.endswith(".py") and not name.startswith(_OUTSIDE):
            found.append((name, entry.read_bytes()))
    return found


def environment(spark: SparkSession) -> dict[str, str]:
    """What a result may depend on: versions, and the session settings that change answers."""
    from importlib.metadata import PackageNotFoundError, version

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "-"

    packages = (
        "pyspark",
        "delta-spark",
        "mlflow",
        "great-expectations",
        "hyperopt",
        "pandas",
        "numpy",
        "pyarrow",
    )
    settings = ("spark.sql.ansi.enabled", "spark.sql.session.timeZone")
    return {
        "perdure": __version__,
        "python": platform.python_version(),
        "spark": spark.version,
        **{package: installed(package) for package in packages},
        "spark.master": str(spark.conf.get("spark.master", None)),
        **{name: str(spark.conf.get(name)) for name in settings},
    }


@cache
def git_commit(root: Path) -> str:
    """The project's commit, `+` behind it when files are changed; `-` outside of a checkout."""
    try:

        def git(*words: str) -> str:
            return subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10
            ).stdout

        return git("rev-parse", "HEAD").strip()[:12] + ("+" if git("status", "--porcelain", "-uno").strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "-"


def who() -> str:
    """`user@host` of this process."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"?@{socket.gethostname()}"
