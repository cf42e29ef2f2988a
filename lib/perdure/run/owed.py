"""What is due now, from the ledger: the intervals that are ready and have not been lived to their end."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from perdure.core import schedule
from perdure.core.interval import Interval

if TYPE_CHECKING:
    from perdure.core.config import Pipeline
    from perdure.io.ledger import Ledger


def owed(pipeline: Pipeline, ledger: Ledger, now: datetime) -> list[Interval]:
    """The intervals that are due at `now`, oldest first. One that was lived stays lived, whatever has changed in files,
    configuration or code since: to live it again is a decision, and `run` without `--due` makes it."""
    return [interval for interval in schedule.ready(pipeline, now) if not lived(pipeline, ledger, interval)]


def lived(pipeline: Pipeline, ledger: Ledger, interval: Interval) -> bool:
    """Whether an interval's last step is done: the decision, the deployment that follows from it, messages, alerts."""
    decided = ledger.latest("retrain", interval=interval.label)
    if decided is None:
        return False
    if decided.facts.get("decision") == "train" and ledger.latest("deploy", interval=interval.label) is None:
        return False
    if pipeline.publish is not None and ledger.latest("publish", interval=interval.label) is None:
        return False
    return pipeline.alerts is None or ledger.latest("alert", interval=interval.label) is not None
