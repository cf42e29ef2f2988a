"""Times as Spark sees them: exact, independent of the session's and the machine's time zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from perdure.core.identifiers import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(time: datetime) -> int:
    """Microseconds since 1970 (UTC)."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def at(time: datetime) -> Column:
    """A timestamp literal."""
    from pyspark.sql import functions as F

    return F.timestamp_micros(F.lit(micros(time)))


def between(column: str, since: datetime, until: datetime) -> Column:
    """Whether a timestamp column lies in [since, until)."""
    from pyspark.sql import functions as F

    time = F.col(quoted(column))
    return (time >= at(since)) & (time < at(until))
