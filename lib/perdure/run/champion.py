"""Who served when: the champion of a moment, from the ledger's deploy records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from perdure.core.record import RunRecord
from perdure.io.ledger import Ledger


@dataclass(frozen=True)
class Champion:
    """A model version in service: its training and evaluation runs, and the moment from which it serves."""

    version: str
    effective_from: datetime
    train: RunRecord
    evaluate: RunRecord

    @property
    def trained_until(self) -> datetime:
        """Where its training data ended (the holdout not included)."""
        return datetime.fromisoformat(self.train.facts["until"])

    @property
    def holdout_metrics(self) -> Mapping[str, float]:
        """What it measured on its own holdout when it was evaluated."""
        return {name: found["value"] for name, found in self.evaluate.facts["candidate"].items()}


def champion_at(ledger: Ledger, moment: datetime) -> Champion | None:
    """The version that serves intervals beginning at `moment`; None before the first deployment."""
    best: RunRecord | None = None
    for record in ledger.records:
        if record.step == "deploy" and record.status == "done" and record.facts.get("decision") == "promote":
            since = datetime.fromisoformat(record.facts["effective_from"])
            if since <= moment and (best is None or since >= datetime.fromisoformat(best.facts["effective_from"])):
                best = record
    if best is None:
        return None
    train, evaluate = ledger.get(best.facts["train_run"]), ledger.get(best.facts["evaluate_run"])
    assert train is not None and evaluate is not None, "a deploy record names runs that the ledger holds"
    return Champion(
        str(best.facts["model_version"]),
        datetime.fromisoformat(best.facts["effective_from"]),
        train,
        evaluate,
    )
