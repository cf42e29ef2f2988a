"""What a policy would have decided over the stored history: no data, no training.

The evidence is what was measured then, against the models that really served. What a training would have changed is
counted as far as it can be without one: cooldown, budget, the model's age and the rows since its training follow the
replayed policy's own trainings; drift and performance stay those of the real champion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from perdure.core.conditions import Retrain
from perdure.core.config import Pipeline
from perdure.core.errors import UsageError
from perdure.core.interval import Interval
from perdure.io.ledger import Ledger
from perdure.policy.retrain import Decision, Evidence, decide

from .evidence import gather_evidence, labelled_runs, rows_labelled
from .terminal import console


@dataclass(frozen=True)
class Replayed:
    """One interval: what was decided then, and what the policy would have."""

    interval: str
    decided: str
    would: str
    decision: Decision

    def to_dict(self) -> dict[str, object]:
        """JSON-ready."""
        return {"interval": self.interval, "decided": self.decided, "would": self.would,
                "reason": self.decision.reason, "evidence": self.decision.evidence}


def policy_of(file: Path) -> Retrain:
    """The policy in a YAML file: what a pipeline file has under `retrain`, or a whole pipeline file. Raises UsageError
    when it can't be read."""
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(data, dict) and "retrain" in data:
            data = data["retrain"]
        return Retrain.model_validate(data)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"{file}: expected a policy as under 'retrain' in a pipeline file: {error}") from error


def replay(ledger: Ledger, pipeline: Pipeline, policy: Retrain | None = None) -> list[Replayed]:
    """Every interval that was decided, oldest first, by `policy` (default: the pipeline's own)."""
    retrain = policy or pipeline.retrain
    decided = {record.interval_start: record for record in ledger.records
               if record.step == "retrain" and record.status == "done"}
    result: list[Replayed] = []
    trained: list[Interval] = []
    for start in sorted(decided):
        record = decided[start]
        interval = Interval.parse(record.interval, pipeline.interval)
        evidence, _ = gather_evidence(ledger, pipeline, interval, retrain)
        decision = decide(_supposed(evidence, trained, pipeline, ledger, interval), retrain, pipeline.train)
        if decision.due:
            trained.append(interval)
        really = str(record.facts.get("decision", ""))
        result.append(Replayed(interval.label, really, "train" if decision.due else "keep", decision))
    return result


def _supposed(
    evidence: Evidence, trained: Sequence[Interval], pipeline: Pipeline, ledger: Ledger, interval: Interval
) -> Evidence:
    """The evidence as it would be had these intervals trained, and no others."""
    ends = tuple(each.end for each in trained)
    since, here = 0, interval
    while ends and here.end > ends[-1]:
        since, here = since + 1, here.previous
    supposed = replace(evidence, trainings=ends, intervals_since_training=since if ends else None)
    if evidence.champion is None or not ends:
        return supposed
    until = pipeline.train.holdout.before(ends[-1])
    champion = replace(evidence.champion, trained_until=until)
    return replace(supposed, champion=champion, labelled_rows=_labelled(ledger, until, interval.end))


def _labelled(ledger: Ledger, since: datetime, until: datetime) -> int:
    return rows_labelled(labelled_runs(ledger), since, until)


def show(replayed: Sequence[Replayed]) -> None:
    """Prints the table on the terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("interval", "decided", "would"):
        table.add_column(name, no_wrap=True)
    table.add_column("why")
    for each in replayed:
        mark = "[bold]" if each.decided != each.would else ""
        table.add_row(each.interval, each.decided, f"{mark}{each.would}", escape(each.decision.reason))
    out = console()
    out.print(table)
    really, would = (sum(getattr(each, name) == "train" for each in replayed) for name in ("decided", "would"))
    out.print(f"{len(replayed)} intervals: {would} trainings, of {really} that there were. Drift and performance "
              "are those of the models that really served.")
