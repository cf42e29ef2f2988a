"""Which table an interval's rows are stored in, for those who read its own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.core.protocols import Read
from perdure.io.ledger import Seen

from .context import Context
from .engine import pinned_version

if TYPE_CHECKING:
    from perdure.profile.files import Stored


def stored(context: Context, wish: Read) -> Stored | None:
    """The table that holds what `wish` names, to be read from its own files; None where Spark's reader is cheaper."""
    from perdure.profile.files import WORTH, Stored, Within

    if wish.column is None or wish.since is None or wish.until is None:
        return None
    producers = Seen(context.ledger, wish.until).producers(wish)
    outputs = [output for record in producers for output in record.outputs if output.table == wish.table]
    if sum(output.rows or 0 for output in outputs) < WORTH:
        return None
    table = context.tables.read(Read(wish.table), pinned_version(wish.table, producers))
    return Stored(table, context.tables.sql_name(wish.table), Within(wish.column, wish.since, wish.until))
