"""Finds the members of a folder package: file name = registered name. Works from a zip, as `--py-files` ships it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from .errors import UsageError


def names(package: str) -> list[str]:
    """The registered names in `package` (dotted), sorted; modules that begin with `_` and those listed in the
    package's `HELPERS` are not members."""
    folder = importlib.import_module(package)
    helpers = set(getattr(folder, "HELPERS", ()))
    found = (module.name for module in pkgutil.iter_modules(folder.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in helpers)


def load(package: str, name: str) -> ModuleType:
    """The module registered as `name`. Raises UsageError with the close matches when there is none."""
    known = names(package)
    if name not in known:
        raise UsageError(f"{package} has no '{name}'{did_you_mean(name, known)}; it has: {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known name, or an empty text when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
