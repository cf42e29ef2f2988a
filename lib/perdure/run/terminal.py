"""The terminal that a job's answers go to."""

from __future__ import annotations

from rich.console import Console


def console(*, stderr: bool = False, width: int = 160) -> Console:
    """As wide as the terminal; without one (a pipe, a log), `width` columns."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=width)
