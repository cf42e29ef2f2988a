"""Who serves, read from records alone."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from perdure.core.record import RunRecord
from perdure.run.champion import BY_HAND, challenger_at, champion_at, champions, changes, pinned_at
from perdure.run.evidence import _held


def record(step: str, subject: str = "", **facts: Any) -> RunRecord:
    text = {name: "" for name in ("pipeline", "interval", "interval_start", "interval_end", "code_version", "who",
                                  "target", "started_at")}
    name = f"{step} {facts.get('decision')} {facts.get('model_version')} {facts.get('effective_from')}"
    return RunRecord(run_id=name, step=step, subject=subject, status="done", config=None, seed=0, seconds=0.0,
                     facts=facts, **text)  # type: ignore[arg-type]


def change(step: str, decision: str, version: str, on: int, *, share: int | None = None, place: int = 0,
           subject: str = "") -> RunRecord:
    runs = {"train_run": f"train {version}", "evaluate_run": f"evaluate {version}"}
    state = {"model_version": version, **runs, "kind": "canary", "step": place, "share": share, "began": None}
    return record(step, subject, decision=decision, model_version=version, effective_from=day(on).isoformat(), **runs,
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
