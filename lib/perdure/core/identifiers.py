"""Names as SQL takes them."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name, whatever is in it, as an SQL identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"
