"""Who served when: the champion of a moment, and its challenger, from the ledger's deploy and rollout records.

Each of these records says what holds from its `effective_from` on: `serves` (the version that became champion with it,
if any), and `challenger`, the version that is being rolled out beside the champion, or null. Where an interval was
lived again with another outcome, after a change of policy or code, the first outcome doesn't hold any more (`undone`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perdure.core.record import RunRecord
from perdure.io.ledger import Records, place_of

SERVING = ("promote", "restore", "pin")
"""Decisions that make a version champion; `restore` and `pin` are taken by hand."""
BY_HAND = "by hand"
_NOTHING_CHANGES = ("refuse", "hold", "wait", "reject")


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
    def weights(self) -> dict[str, float]:
        """Each feature's share of what the model relies on: by its SHAP values where the training has explained it,
        else by the model family's own measure; empty where neither is recorded."""
        explained = (self.train.facts.get("explanation") or {}).get("importance")
        found: Mapping[str, float] = explained or self.train.facts.get("importance") or {}
        total = sum(abs(size) for size in found.values())
        return {name: abs(size) / total for name, size in found.items()} if total else {}

    @property
    def holdout_metrics(self) -> Mapping[str, float]:
        """What it measured on its own holdout when it was evaluated."""
        return {name: found["value"] for name, found in self.evaluate.facts["candidate"].items()}


@dataclass(frozen=True)
class Challenger(Champion):
    """A version that is being rolled out. `effective_from`: since when its step lasts. `step`: its place in
    `rollout.steps`; `share`: the per cent of keys that it serves, 0 in a shadow rollout. `began`: the deploy's run."""

    kind: str
    step: int
    share: int
    began: str

    def to_dict(self) -> dict[str, Any]:
        """What a record holds of it."""
        return {"model_version": self.version, "train_run": self.train.run_id, "evaluate_run": self.evaluate.run_id,
                "kind": self.kind, "step": self.step, "share": self.share, "began": self.began}

    @property
    def sentence(self) -> str:
        """What it is doing, in words."""
        doing = f"serving {self.share} % of the keys" if self.share else "scoring in the champion's shadow"
        return f"v{self.version} is being rolled out, {doing}"


@dataclass(frozen=True)
class Waiting(Champion):
    """A candidate that passed its gate and waits for a person's approval. `effective_from`: since when. `run`: the
    deployment that made it wait."""

    run: str


def undone(records: Sequence[RunRecord]) -> set[str]:
    """The runs whose outcome no longer holds, of `records`, oldest first: a training and its deployment whose interval
    was decided anew since, not to train; a training, a deployment or a step of a rollout that a newer one of its
    interval replaced; the steps of a rollout whose deployment is undone. What people did by hand holds."""
    found: set[str] = set()
    decided: dict[str, str] = {}
    followed: dict[str, list[str]] = {}
    kept: dict[str, list[str]] = {}
    newest: dict[tuple[str, str], str] = {}
    own = [each for each in records if each.step in ("retrain", "train", "deploy", "rollout")
           and each.subject != BY_HAND and place_of(each) is not None]  # fmt: skip
    for record in own:
        if record.step == "retrain":
            decided[record.interval] = record.facts["decision"]
            kept[record.interval] = followed.get(record.interval, [])[:] if decided[record.interval] == "keep" else []
        elif record.step in ("train", "deploy") and decided.get(record.interval) == "train":
            followed.setdefault(record.interval, []).append(record.run_id)
        if record.step in ("train", "deploy", "rollout"):
            found.add(newest.get((record.step, record.interval), ""))
            newest[record.step, record.interval] = record.run_id
    found.update(*kept.values())
    deployed = [each for each in own if each.step == "deploy"]
    holding = {each.facts.get("train_run") for each in deployed if each.run_id not in found}
    gone = {each.facts.get("train_run") for each in deployed} - holding
    return found | {each.run_id for each in own if each.step == "rollout" and each.facts.get("train_run") in gone}


def standing(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Those of `records`, oldest first, that tell what is: without failed runs, what is undone, and decisions that were
    taken anew."""
    gone = undone(records)
    decided = {each.interval: each.run_id for each in records if each.step == "retrain" and each.status != "failed"}
    return [each for each in records if each.status != "failed" and each.run_id not in gone
            and (each.step != "retrain" or decided[each.interval] == each.run_id)]  # fmt: skip


def deployed_in(ledger: Records, interval: str) -> RunRecord | None:
    """The deployment of an interval that made a version serve, by policy; None without one."""
    found = [record for _, record in changes(ledger) if record.step == "deploy" and record.interval == interval
             and place_of(record) is not None]  # fmt: skip
    return found[-1] if found else None


def changes(ledger: Records) -> Iterator[tuple[datetime, RunRecord]]:
    """The records that say who serves, in the order in which they take effect; of several at one moment the last
    counts."""
    gone = undone(ledger.records)
    found = [(datetime.fromisoformat(record.facts["effective_from"]), record) for record in ledger.records
             if record.step in ("deploy", "rollout") and record.status == "done" and record.facts.get("effective_from")
             and record.facts.get("decision") not in _NOTHING_CHANGES and record.run_id not in gone]
    yield from sorted(found, key=lambda each: each[0])


def champions(ledger: Records) -> list[Champion]:
    """Every version that became champion, in the order of their service."""
    return [Champion(str(record.facts["model_version"]), since, *_runs(ledger, record.facts))
            for since, record in changes(ledger) if record.facts.get("decision") in SERVING]


def champion_at(ledger: Records, moment: datetime) -> Champion | None:
    """The version that serves intervals beginning at `moment`; None before the first deployment."""
    return next((each for each in reversed(champions(ledger)) if each.effective_from <= moment), None)


def challenger_at(ledger: Records, moment: datetime) -> Challenger | None:
    """The version that is being rolled out in intervals beginning at `moment`, if any."""
    last = next((each for each in reversed(list(changes(ledger))) if each[0] <= moment), None)
    state = last[1].facts.get("challenger") if last else None
    if last is None or not state:
        return None
    return Challenger(str(state["model_version"]), last[0], *_runs(ledger, state), kind=state["kind"],
                      step=state["step"], share=state["share"], began=state["began"] or last[1].run_id)


def pinned_at(ledger: Records, moment: datetime) -> str | None:
    """The version that was pinned by hand, if one is."""
    held = [record.facts for since, record in changes(ledger)
            if since <= moment and record.facts["decision"] in ("pin", "unpin")]
    return str(held[-1]["model_version"]) if held and held[-1]["decision"] == "pin" else None


def waiting_at(ledger: Records, moment: datetime) -> Waiting | None:
    """The candidate that waits for approval at a moment, if any: the newest that passed its gate, as long as nobody has
    answered."""
    passed = [record for record in _until(ledger, "deploy", moment) if record.facts.get("decision") != "refuse"]
    passed.sort(key=lambda record: str(record.facts["effective_from"]))
    last = passed[-1] if passed else None
    if last is None or last.facts["decision"] != "wait" or answer_to(ledger, str(last.facts["model_version"]), moment):
        return None
    since = datetime.fromisoformat(last.facts["effective_from"])
    return Waiting(str(last.facts["model_version"]), since, *_runs(ledger, last.facts), run=last.run_id)


def answer_to(ledger: Records, version: str, moment: datetime | None = None) -> RunRecord | None:
    """A person's yes or no to a candidate, in effect at a moment (default: ever); None while there is none."""
    found = [record for record in _until(ledger, "rollout", moment)
             if record.facts.get("approval") and str(record.facts["model_version"]) == version]
    return found[-1] if found else None


def _until(ledger: Records, step: str, moment: datetime | None) -> list[RunRecord]:
    last, gone = moment.isoformat() if moment else "9999", undone(ledger.records)
    return [record for record in ledger.records if record.step == step and record.status == "done"
            and str(record.facts.get("effective_from") or "9999") <= last and record.run_id not in gone]


def _runs(ledger: Records, facts: Mapping[str, Any]) -> tuple[RunRecord, RunRecord]:
    train, evaluate = ledger.get(facts["train_run"]), ledger.get(facts["evaluate_run"])
    assert train is not None and evaluate is not None, "a deploy record names runs that the ledger holds"
    return train, evaluate
