from __future__ import annotations

import threading
import time

import pytest

from perdure.core.errors import PerdureError
from perdure.core.space import Choice, Integer, LogUniform, Params, Uniform
from perdure.tuning import Trial, best, search

SPACES = {
    "near": {"x": Uniform(-4.0, 4.0), "step": Integer(2, 11, 4)},
    "far": {"x": LogUniform(1e-3, 1e3), "kind": Choice(("a", "b"))},
    "flags": {"on": Choice((True, False))},
}


def bowl(family: str, params: Params) -> tuple[float, dict[str, float]]:
    loss = {"near": 0.0, "far": 5.0, "flags": 9.0}[family] + (float(params.get("x", 0)) - 1) ** 2
    return loss, {"twice": 2 * loss}


def plain(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [(t.number, t.family, dict(t.params), t.loss, t.status) for t in trials]


def test_the_same_seed_gives_the_same_trials_at_any_parallelism() -> None:
    def jittery(family: str, params: Params) -> tuple[float, dict[str, float]]:
        time.sleep(0.001 * (hash(str(params)) % 7))
        return bowl(family, params)

    runs = [plain(search(SPACES, jittery, trials=14, parallelism=p, seed=5)) for p in (1, 2, 4)]
    assert runs[0] == runs[1] == runs[2]
    assert runs[0] != plain(search(SPACES, jittery, trials=14, parallelism=1, seed=6))


def test_every_family_gets_a_trial_first() -> None:
    trials = search(SPACES, bowl, trials=3, seed=1)
    assert [trial.family for trial in trials] == ["near", "far", "flags"]


def test_it_learns_where_the_minimum_is() -> None:
    for seed in range(3):
        trials = search(SPACES, bowl, trials=40, parallelism=2, seed=seed)
        late = [trial for trial in trials if trial.number >= 20]
        assert sum(trial.family == "near" for trial in late) > len(late) / 2
        assert best(trials).family == "near"
        assert best(trials).loss < 0.1


def test_params_lie_in_their_space_with_their_types() -> None:
    for trial in search(SPACES, bowl, trials=30, seed=2):
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
    def moody(family: str, params: Params) -> tuple[float, dict[str, float]]:
        if family == "far":
            raise ValueError("too far\nwith details")
        return (float("nan"), {}) if family == "flags" else bowl(family, params)

    trials = search(SPACES, moody, trials=8, parallelism=2, seed=3)
    assert len(trials) == 8
    failed = {trial.family: trial for trial in trials if trial.status == "failed"}
    assert failed["far"].error == "ValueError: too far with details"
    assert "finite" in failed["flags"].error
    assert best(trials).family == "near"


def test_when_all_fail_the_reasons_are_told() -> None:
    def broken(family: str, params: Params) -> tuple[float, dict[str, float]]:
        raise RuntimeError(f"{family} is out")

    with pytest.raises(PerdureError, match=r"all 5 trials failed: far: RuntimeError: far is out; flags: .*near"):
        search(SPACES, broken, trials=5)


def test_progress_sees_each_trial_and_parallelism_is_real() -> None:
    at_once, most, lock, seen = 0, 0, threading.Lock(), []

    def slow(family: str, params: Params) -> tuple[float, dict[str, float]]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return bowl(family, params)

    trials = search(SPACES, slow, trials=6, parallelism=3, progress=seen.append)
    assert sorted(trial.number for trial in seen) == list(range(6))
    assert most == 3
    assert all(trial.seconds >= 0.05 for trial in trials)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    search(SPACES, bowl, trials=9)
    assert capfd.readouterr() == ("", "")


def test_the_earliest_of_equals_wins() -> None:
    trials = [Trial(0, "a", {}, None, status="failed"), Trial(1, "a", {}, 0.5), Trial(2, "b", {}, 0.5)]
    assert best(trials).number == 1
