"""Which columns the features have now. One that their SQL no longer gives stays in the table, empty from then on: a
model that learnt from it would go on, ever worse, and the next one would learn from it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perdure.core.errors import PerdureError
from perdure.core.interval import Interval
from perdure.io.ledger import Records

from .champion import Champion
from .context import Context
from .engine import command


def given(ledger: Records, interval: Interval) -> Mapping[str, str]:
    """Column to SQL type, as the newest features of the interval have them; empty where that isn't on record."""
    record = ledger.latest("featurize", interval=interval.label)
    found: Mapping[str, str] = record.facts.get("columns") or {} if record else {}
    return found


def gone(ledger: Records, interval: Interval, columns: Iterable[str]) -> list[str]:
    """Those of the columns that the newest features of the interval don't have."""
    known = given(ledger, interval)
    return [name for name in columns if known and name not in known and not name.startswith("_")]


def require(context: Context, model: Champion, interval: Interval) -> None:
    """Raises PerdureError where a model learnt from columns that the interval's features don't have."""
    lost = gone(context.ledger, interval, model.train.facts.get("columns") or {})
    if not lost:
        return
    before = interval.previous
    raise PerdureError(
        f"v{model.version} learnt from {', '.join(lost)}, which the features of {interval} don't have any more. Put "
        f"it back in {context.pipeline.features.sql} until a version without it serves. To make one now, name it in "
        f"model.exclude, then run for {before}: train, evaluate and deploy ({command(context, 'train', before)})"
    )
