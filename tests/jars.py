"""The jars of a lock file, fetched by `./setup.sh jars LOCK`; `tests/run.sh` does so for those that its tests need."""

from __future__ import annotations

from .standalone import HOME


def folder(name: str) -> str:
    """The folder with the jars of the lock file `<name>.lock`."""
    found = HOME / name
    assert list(found.glob("*.jar")), f"no jars in {found}: ./setup.sh jars {name}.lock (or tests/{name}.lock)"
    return str(found)


def joined(name: str) -> str:
    """The same jars as `--jars` takes them."""
    return ",".join(sorted(map(str, HOME.joinpath(folder(name)).glob("*.jar"))))
