from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import pytest

from perdure.core.errors import PerdureError
from perdure.core.space import Choice, Integer, LogUniform, Params, Uniform
from perdure.tuning import Effort, Trial, best, search

SPACES = {
    "near": {"x": Uniform(-4.0, 4.0), "step": Integer(2, 11, 4)},
    "far": {"x": LogUniform(1e-3, 1e3), "kind": Choice(("a", "b"))},
    "flags": {"on": Choice((True, False))},
}


def bowl(family: str, params: Params, share: float = 1.0) -> tuple[float, dict[str, float]]:
    loss = {"near": 0.0, "far": 5.0, "flags": 9.0}[family] + (float(params.get("x", 0)) - 1) ** 2
    return loss, {"twice": 2 * loss}


def plain(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [(t.number, t.family, dict(t.params), t.loss, t.status) for t in trials]


def test_the_same_seed_gives_the_same_trials_at_any_parallelism() -> None:
    def jittery(family: str, params: Params, share: float = 1.0) -> tuple[float, dict[str, float]]:
        time.sleep(0.001 * (hash(str(params)) % 7))
        return bowl(family, params)

    runs = [plain(search(SPACES, jittery, Effort(14, p), seed=5)) for p in (1, 2, 4)]
    assert runs[0] == runs[1] == runs[2]
    assert runs[0] != plain(search(SPACES, jittery, Effort(14, 1), seed=6))


def test_every_family_gets_a_trial_first() -> None:
    trials = search(SPACES, bowl, Effort(3), seed=1)
    assert [trial.family for trial in trials] == ["near", "far", "flags"]


def test_a_familys_first_trial_is_where_its_dimensions_say() -> None:
    spaces = {
        "sure": {"x": LogUniform(1e-3, 1e3, first=0.25), "n": Integer(2, 11, 4, first=6),
                 "on": Choice((0, False), first=False), "drawn": Uniform(0.0, 1.0)},
        "near": SPACES["near"],
    }
    trials = search(spaces, bowl, Effort(8), seed=1)
    told = dict(trials[0].params)
    assert 0.0 < float(told.pop("drawn")) < 1.0
    assert told == {"x": 0.25, "n": 6, "on": False} and told["on"] is False  # which equals 0
    assert all(trial.params["x"] != 0.25 for trial in trials[1:])


def test_it_learns_where_the_minimum_is() -> None:
    for seed in range(3):
        trials = search(SPACES, bowl, Effort(40, 2), seed=seed)
        late = [trial for trial in trials if trial.number >= 20]
        assert sum(trial.family == "near" for trial in late) > len(late) / 2
        assert best(trials).family == "near"
        assert best(trials).loss < 0.1


def test_params_lie_in_their_space_with_their_types() -> None:
    for trial in search(SPACES, bowl, Effort(30), seed=2):
        for name, value in trial.params.items():
            dimension = SPACES[trial.family][name]
            if isinstance(dimension, Choice):
                assert any(value is option for option in dimension.options)
            elif isinstance(dimension, Integer):
                assert type(value) is int
                assert value in (2, 6, 10)
            else:
                assert type(value) is float
                assert dimension.low <= value <= dimension.high


def test_a_failed_trial_is_not_the_end() -> None:
    def moody(family: str, params: Params, share: float = 1.0) -> tuple[float, dict[str, float]]:
        if family == "far":
            raise ValueError("too far\nwith details")
        return (float("nan"), {}) if family == "flags" else bowl(family, params)

    trials = search(SPACES, moody, Effort(8, 2), seed=3)
    assert len(trials) == 8
    failed = {trial.family: trial for trial in trials if trial.status == "failed"}
    assert failed["far"].error == "ValueError: too far with details"
    assert "finite" in failed["flags"].error
    assert best(trials).family == "near"


def test_when_all_fail_the_reasons_are_told() -> None:
    def broken(family: str, params: Params, share: float = 1.0) -> tuple[float, dict[str, float]]:
        raise RuntimeError(f"{family} is out")

    with pytest.raises(PerdureError, match=r"all 5 trials failed: far: RuntimeError: far is out; flags: .*near"):
        search(SPACES, broken, Effort(5))


def test_progress_sees_each_trial_and_parallelism_is_real() -> None:
    at_once, most, lock, seen = 0, 0, threading.Lock(), []

    def slow(family: str, params: Params, share: float = 1.0) -> tuple[float, dict[str, float]]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return bowl(family, params)

    trials = search(SPACES, slow, Effort(6, 3), progress=seen.append)
    assert sorted(trial.number for trial in seen) == list(range(6))
    assert most == 3
    assert all(trial.seconds >= 0.05 for trial in trials)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    search(SPACES, bowl, Effort(9))
    assert capfd.readouterr() == ("", "")


def test_the_earliest_of_equals_wins() -> None:
    trials = [Trial(0, "a", {}, None, status="failed"), Trial(1, "a", {}, 0.5), Trial(2, "b", {}, 0.5)]
    assert best(trials).number == 1


@pytest.mark.parametrize("early", [None, 0.25])
def test_what_has_ended_is_not_run_again_and_changes_nothing(early: float | None) -> None:
    ran: list[tuple[Params, float]] = []

    def noted(family: str, params: Params, share: float) -> tuple[float, dict[str, float]]:
        ran.append((params, share))
        return bowl(family, params)

    kept: list[Trial] = []
    effort = Effort(14, 2, early=early)
    whole = search(SPACES, noted, effort, seed=5, progress=kept.append)
    # Cut off anywhere: what had been kept until then is known, of a trial kept twice the second.
    for until in (0, 3, 9, 13, len(kept) - 1, len(kept)):
        ran.clear()
        known = {trial.number: trial for trial in kept[:until]}
        told: list[Trial] = []
        again = search(SPACES, noted, effort, seed=5, known=list(known.values()), progress=told.append)
        assert plain(again) == plain(whole)
        assert best(again).number == best(whole).number
        assert len(ran) == len(told) == len(kept) - until
        assert all(again[number] is trial for number, trial in known.items() if again[number].status == trial.status)
    # A search that runs otherwise doesn't take them.
    ran.clear()
    search(SPACES, noted, Effort(14, 2, early=0.5 if early is None else None), seed=5, known=kept)
    assert len(ran) >= 14


def test_another_searchs_trials_are_not_taken() -> None:
    other = search(SPACES, bowl, Effort(8), seed=6)
    assert plain(search(SPACES, bowl, Effort(8), seed=5, known=other)) == plain(search(SPACES, bowl, Effort(8), seed=5))


def test_patience_ends_a_search_after_whole_rounds_at_any_parallelism() -> None:
    def flat(family: str, params: Params, share: float) -> tuple[float, dict[str, float]]:
        return 1.0, {}

    # The first trial stays the best of all: after it eight are enough, and rounds have four.
    assert [len(search(SPACES, flat, Effort(40, p, patience=8), seed=1)) for p in (1, 4)] == [12, 12]
    assert len(search(SPACES, flat, Effort(40, 3, round=3, patience=8), seed=1)) == 9
    some = [plain(search(SPACES, bowl, Effort(60, p, patience=6), seed=1)) for p in (1, 4)]
    assert some[0] == some[1]
    assert len(some[0]) < 60
    assert some[0] == plain(search(SPACES, bowl, Effort(60), seed=1))[:len(some[0])]


def test_the_time_budget_counts_what_an_earlier_start_used() -> None:
    def slow(family: str, params: Params, share: float) -> tuple[float, dict[str, float]]:
        time.sleep(0.1)
        return bowl(family, params)

    some = search(SPACES, slow, Effort(40, 4, seconds=0.8), seed=1)
    rounds = [max(trial.ended for trial in some[start : start + 4]) for start in range(0, len(some), 4)]
    assert len(some) in range(4, 40, 4)
    assert rounds[-1] >= 0.79
    assert all(ended < 0.8 for ended in rounds[:-1])
    # All the time was used before the search was cut off: only the round that was under way is ended.
    again = search(SPACES, slow, Effort(40, 4, seconds=0.8), seed=1, known=[*some[:3], replace(some[3], ended=0.9)])
    assert plain(again) == plain(some)[:4]
    # No trial that has ended is lost, whatever the clock says: a search that was cut off in its last fits has all.
    for early in (None, 0.5):
        whole = search(SPACES, bowl, Effort(14, 4, early=early, seconds=60), seed=1)
        late = [replace(trial, ended=61.0) for trial in whole]
        assert plain(search(SPACES, bowl, Effort(14, 4, early=early, seconds=60), seed=1, known=late)) == plain(whole)
    assert len(search(SPACES, slow, Effort(40, 4, seconds=0.0001), seed=1)) == 4


def test_all_are_tried_on_a_share_and_the_best_of_each_family_on_all_rows() -> None:
    shares: list[tuple[Params, float]] = []

    def noted(family: str, params: Params, share: float) -> tuple[float, dict[str, float]]:
        shares.append((params, share))
        if params.get("kind") == "b" and share == 1:
            raise MemoryError("too many rows")
        loss, metrics = bowl(family, params)
        return loss + (1 - share), metrics

    found = {p: search(SPACES, noted, Effort(30, p, early=0.25), seed=4) for p in (1, 4)}
    assert plain(found[1]) == plain(found[4])
    trials = found[1]
    for family in SPACES:
        own = sorted((trial for trial in trials if trial.family == family), key=lambda trial: trial.early or 0.0)
        finalists, others = own[:math.ceil(len(own) / 4)], own[math.ceil(len(own) / 4):]
        assert finalists and all(trial.status == "stopped" and trial.loss == trial.early for trial in others)
        assert {trial.status for trial in finalists} <= {"ok", "failed"}
        for trial in finalists:
            assert trial.loss is None if trial.status == "failed" else trial.loss == pytest.approx(
                (trial.early or 0.0) - 0.75)
        for trial in own:
            seen = [share for params, share in shares if params is trial.params]
            assert seen == ([0.25, 1.0] if trial in finalists else [0.25])
    assert best(trials).early == min(trial.early for trial in trials if trial.early is not None)
    # TPE learns from what all of them have: it draws as a search would that sees the share alone.
    drawn = search(SPACES, bowl, Effort(30), seed=4)
    assert [trial.params for trial in trials] == [trial.params for trial in drawn]


def test_where_a_familys_best_fail_on_all_rows_the_next_best_has_its_turn() -> None:
    def greedy(family: str, params: Params, share: float) -> tuple[float, dict[str, float]]:
        if share == 1 and (family == "far" or abs(float(params.get("x", 0)) - 1) < 1):
            raise MemoryError("too many rows")
        return bowl(family, params)

    found = [search(SPACES, greedy, Effort(24, p, early=0.1), seed=2) for p in (1, 4)]
    assert plain(found[0]) == plain(found[1])
    near = sorted((trial for trial in found[0] if trial.family == "near"), key=lambda trial: trial.early or 0.0)
    told = [trial.status for trial in near]
    until = told.index("ok")
    assert until >= 2 and set(told[:until]) == {"failed"} and set(told[until + 1:]) <= {"stopped"}
    assert {trial.status for trial in found[0] if trial.family == "far"} == {"failed"}
    assert best(found[0]).status == "ok"
    with pytest.raises(PerdureError, match="all 8 trials failed: far: MemoryError: too many rows"):
        search({"far": SPACES["far"]}, greedy, Effort(8, early=0.1), seed=2)


def test_patience_and_time_look_at_the_share_and_the_best_end_all_the_same() -> None:
    for effort in (Effort(40, early=0.5, patience=8), Effort(40, early=0.5, seconds=1e-9)):
        trials = search({"near": SPACES["near"]}, lambda *_: (1.0, {}), effort, seed=1)
        finalists = math.ceil(len(trials) / 2)
        assert [trial.number for trial in trials if trial.status == "ok"] == list(range(finalists))
        assert len(trials) == (12 if effort.patience else 4)


def test_a_round_is_as_large_as_wished() -> None:
    most, now, lock = 0, 0, threading.Lock()

    def slow(family: str, params: Params, share: float) -> tuple[float, dict[str, float]]:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return bowl(family, params)

    runs = [plain(search(SPACES, slow, Effort(12, p, round=6), seed=2)) for p in (6, 1)]
    assert most == 6
    assert runs[0] == runs[1]
