"""The pipeline's feed: a Python file of the user's that lands raw files, called before ingest."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from perdure.core.errors import UsageError

from .context import Context


def land(context: Context) -> None:
    """Calls the feed's `land(folder)` once a process. Raises UsageError when the file has no such function."""
    pipeline = context.pipeline
    if pipeline.feed and not context.dry_run:
        context.progress.working(f"landing raw files in {pipeline.landing}")
        _land(pipeline.path(pipeline.feed), pipeline.path(pipeline.landing))


@cache
def _land(file: Path, folder: Path) -> None:
    function: Any = getattr(_module(file), "land", None)
    if not callable(function):
        raise UsageError(f"{file}: expected a function land(folder: pathlib.Path), found none")
    folder.mkdir(parents=True, exist_ok=True)
    function(folder)


def _module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"perdure_feed_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
