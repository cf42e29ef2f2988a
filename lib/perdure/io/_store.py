"""What tracking needs of its store: that it answers, that one process at a time changes it, and that it keeps quiet."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perdure.core.errors import PerdureError

_DAY = 86_400
_PATIENCE = 10  # seconds


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """No other process does this at the same time, on one machine's database: two that make its tables at once both
    fail. The lock ends with its process."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    import fcntl

    with open(uri.removeprefix("sqlite:///") + ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_database(uri: str) -> None:
    """A new database of one machine is made beside its place and moved there whole: MLflow can't go on with one whose
    tables a process that was killed has made in part."""
    import mlflow

    file = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or file.exists():
        return
    part = file.with_name(f"{file.name}.part")
    for old in (part, file.with_name(f"{part.name}-journal")):
        old.unlink(missing_ok=True)
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{part}").get_experiment_by_name("Default")
    part.rename(file)


def process() -> str:
    """This process, for others to tell whether it is still there."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_at_work(process: str, started: int) -> bool:
    """Whether a process that began to train at `started` (milliseconds) may be training still: seen on this machine,
    and elsewhere taken for granted for a day."""
    host, _, number = process.partition(":")
    if host != socket.gethostname() or not number.isdigit():
        return bool(process) and time.time() - started / 1000 < _DAY
    return int(number) != os.getpid() and os.path.exists(f"/proc/{number}")


def require_answer(uri: str) -> None:
    """Raises PerdureError when a tracking server doesn't answer at all: MLflow itself would try for minutes."""
    if not uri.startswith(("http://", "https://")):
        return
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        urlopen(f"{uri.rstrip('/')}/health", timeout=_PATIENCE).close()
    except HTTPError:
        return  # whatever it says, it is there
    except OSError as error:
        raise PerdureError(
            f"the tracking server must answer, but {uri} doesn't ({getattr(error, 'reason', error)}). Tables and "
            "ledger are as they were: start it, or mend 'tracking' in the pipeline file, and the same command resumes"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow without its chatter: telemetry off, database migrations and warnings unsaid."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # where a job's --json goes
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # half a minute, not four
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # its import sets the levels of its loggers anew
    for name in ("mlflow", "alembic", "mlflow.spark", "py4j"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
