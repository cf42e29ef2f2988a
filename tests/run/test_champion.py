"""Who serves, read from records alone."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from perdure.core.record import RunRecord
from perdure.run.champion import BY_HAND, challenger_at, champion_at, champions, changes, pinned_at, standing
from perdure.run.evidence import _held


def record(step: str, subject: str = "", interval: str = "", **facts: Any) -> RunRecord:
    text = {name: "" for name in ("pipeline", "interval_start", "interval_end", "code_version", "who", "target",
                                  "started_at")}
    text["interval"] = interval
    name = f"{step} {facts.get('decision')} {facts.get('model_version')} {facts.get('effective_from')}"
    return RunRecord(run_id=name, step=step, subject=subject, status="done", config=None, seed=0, seconds=0.0,
                     facts=facts, **text)  # type: ignore[arg-type]


def change(step: str, decision: str, version: str, on: int, *, share: int | None = None, place: int = 0,
           subject: str = "") -> RunRecord:
    runs = {"train_run": f"train {version}", "evaluate_run": f"evaluate {version}"}
    state = {"model_version": version, **runs, "kind": "canary", "step": place, "share": share, "began": None}
    return record(step, subject, str(on - 1), decision=decision, model_version=version,
                  effective_from=day(on).isoformat(), **runs,
                  challenger=None if share is None else state)


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=timezone.utc)


def ledger(*records: RunRecord) -> Any:
    runs = [RunRecord(**{**vars(record(step, model_version=str(n))), "run_id": f"{step} {n}"})
            for n in range(1, 4) for step in ("train", "evaluate")]
    known = {each.run_id: each for each in (*runs, *records)}
    return SimpleNamespace(records=tuple(known.values()), get=known.get)


LIFE = (
    change("deploy", "promote", "1", 3),
    change("deploy", "challenge", "2", 4, share=10),
    change("rollout", "rollback", "2", 5),
    change("deploy", "challenge", "3", 5, share=10),
    change("rollout", "hold", "3", 6, share=10),
    change("rollout", "advance", "3", 7, share=50, place=1),
    change("rollout", "promote", "3", 8),
)


def serving(life: Any, on: int) -> tuple[str | None, tuple[str, int] | None]:
    champion, challenger = champion_at(life, day(on)), challenger_at(life, day(on))
    return champion and champion.version, (challenger.version, challenger.share) if challenger else None


def test_a_rollout_from_day_to_day() -> None:
    life = ledger(*LIFE)
    assert [serving(life, on) for on in range(2, 10)] == [
        (None, None), ("1", None), ("1", ("2", 10)), ("1", ("3", 10)), ("1", ("3", 10)), ("1", ("3", 50)),
        ("3", None), ("3", None)]
    assert [each.version for each in champions(life)] == ["1", "3"]
    challenger = challenger_at(life, day(6))
    assert challenger is not None
    assert challenger.effective_from == day(5)  # a step that was held began when it began


def decided(on: int, decision: str, time: int = 1) -> RunRecord:
    return record("retrain", interval=str(on - 1), decision=decision, model_version=f"{time}", effective_from=None)


def test_an_interval_decided_anew() -> None:
    """What followed from the first decision holds no more, and holds again when it is taken again."""
    first = (decided(3, "train"), LIFE[0], decided(4, "train"), change("deploy", "promote", "2", 4))
    assert serving(ledger(*first), 5) == ("2", None)
    other = (*first, decided(4, "keep"))
    assert serving(ledger(*other), 5) == ("1", None)
    told = [each.facts["decision"] for each in standing(other)]
    assert told == ["train", "promote", "keep"]
    assert serving(ledger(*other, decided(4, "train", 2)), 5) == ("2", None)
    refused = (*first, decided(4, "train", 2), change("deploy", "refuse", "3", 4))
    assert serving(ledger(*refused), 5) == ("1", None)
    assert serving(ledger(*refused, change("deploy", "promote", "3", 5)), 5) == ("3", None)


def test_what_was_deployed_by_hand_holds() -> None:
    """Trained and deployed without a decision, or brought from another target: no decision takes it away."""
    own = (decided(3, "train"), LIFE[0], change("deploy", "promote", "2", 4), decided(4, "keep"))
    assert serving(ledger(*own), 5) == ("2", None)
    assert serving(ledger(*own[:2], decided(4, "keep"), own[2], decided(4, "keep", 2)), 5) == ("2", None)
    brought = change("deploy", "promote", "2", 4)
    brought = RunRecord(**{**vars(brought), "facts": {**brought.facts, "imported_from": "dev"}})
    later = (LIFE[0], brought, change("deploy", "refuse", "3", 4))
    assert serving(ledger(*later), 5) == ("2", None)


def test_a_rollout_that_is_undone() -> None:
    """With its deployment; the steps that it had taken don't make it champion."""
    life = ledger(decided(3, "train"), LIFE[0], decided(5, "train"), *LIFE[3:], decided(5, "keep"))
    assert [serving(life, on) for on in (5, 7, 9)] == [("1", None)] * 3


def test_what_takes_effect_later_is_later_however_late_it_was_written() -> None:
    backwards = ledger(LIFE[6], *LIFE[:6])
    assert [since for since, _ in changes(backwards)] == sorted(since for since, _ in changes(backwards))
    assert serving(backwards, 9) == ("3", None)


def test_a_pin_holds_until_it_is_taken_away() -> None:
    pinned = ledger(*LIFE, change("rollout", "pin", "1", 9, subject=BY_HAND))
    assert serving(pinned, 9) == ("1", None)
    assert pinned_at(pinned, day(9)) == "1"
    assert pinned_at(pinned, day(8)) is None
    free = ledger(*LIFE, change("rollout", "pin", "1", 9, subject=BY_HAND),
                  change("rollout", "unpin", "1", 9, subject=BY_HAND))
    assert pinned_at(free, day(9)) is None
    assert serving(free, 9) == ("1", None)


def test_what_keeps_a_candidate_waiting() -> None:
    life = ledger(*LIFE)
    assert _held(life, day(3)) == ""
    assert _held(life, day(7)) == "v3 is being rolled out, serving 50 % of the keys"
    assert _held(life, day(8)) == "v3 has only now taken over"
    assert _held(life, day(9)) == ""
    assert _held(ledger(*LIFE, change("rollout", "pin", "1", 9, subject=BY_HAND)), day(9)) == "v1 is pinned by hand"
