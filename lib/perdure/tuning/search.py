"""Search over families and params with Hyperopt's tree-structured Parzen estimator (TPE; Bergstra et al. 2011).

Suggestions are drawn in rounds of a fixed size, whatever the parallelism, and a round's losses are handed back in the
order of its trials. So one seed gives one list of trials, with one thread or with many. What ends a search early looks
at whole rounds, too, and changes nothing of that; but for the time budget, which is the clock's.

Where there are many rows, all trials are run on a share of them, and as large a share of the trials, the best of each
family, on all rows: one step of successive halving (Jamieson and Talwalkar 2016), whose two halves cost the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from perdure.core.errors import PerdureError
from perdure.core.space import Choice, Dimension, Integer, LogUniform, Params, Space, Uniform

# So many trials are drawn at random before TPE has losses enough to model.
STARTUP = 4


@dataclass(frozen=True)
class Trial:
    """One trial: what was tried, its loss (smaller is better; None when it failed, `error` says why), the metrics
    that the objective gave, its wall seconds, and how many seconds into the search it `ended`. `early`: its loss on a
    share of the rows, where trials are run on one first; of a `stopped` trial that is the only loss there is."""

    number: int
    family: str
    params: Params
    loss: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    status: Literal["ok", "stopped", "failed"] = "ok"
    error: str = ""
    early: float | None = None
    ended: float = 0.0


@dataclass(frozen=True)
class Effort:
    """How much to search. `parallelism` of the trials of a `round` run at a time. `seconds`: after so many no round
    begins (the first always does). `patience`: the end after so many trials without a better one. `early`: trials are
    run on this share of the rows, and the best of each family, as large a share of its trials, on all of them."""

    trials: int
    parallelism: int = 1
    round: int = 4
    seconds: float | None = None
    patience: int | None = None
    early: float | None = None


# (family, params, share of the rows) -> (loss, metrics)
Objective = Callable[[str, Params, float], tuple[float, Mapping[str, float]]]
Progress = Callable[[Trial], None]


def search(space_by_family: Mapping[str, Space], objective: Objective, effort: Effort, *, seed: int = 0,
           known: Sequence[Trial] = (), progress: Progress | None = None) -> list[Trial]:
    """Run the trials and give them in order. Each family is tried once before TPE chooses among them, at the
    values that its dimensions name as `first`.

    `objective` is called from `parallelism` threads at once. A trial whose objective raises, or gives a loss that
    isn't a finite number, is a failed trial. Raises PerdureError when all of them failed. `progress` is called from
    the trials' threads as each one ends, in any order; of a trial that goes on from a share of the rows to all, twice.

    `known`: trials that an earlier search of the same spaces, effort and seed has ended; they are taken as they are,
    as if they had just ended (`progress` isn't called for them). The time that they took counts, but ends the search
    after the last of them only."""
    drawn = _Suggestions(space_by_family, seed)
    with ThreadPoolExecutor(max(1, min(effort.parallelism, effort.round)), "trial") as threads:
        at_work = _Work(objective, effort, progress, threads, {trial.number: trial for trial in known})
        for start in range(0, effort.trials, effort.round):
            points = drawn.draw(min(effort.round, effort.trials - start))
            drawn.learn(at_work.round([Trial(start + i, *point, None) for i, point in enumerate(points)]))
            if at_work.enough():
                break
        done = at_work.finished()
    if not any(trial.status == "ok" for trial in done):
        reasons = "; ".join(sorted({f"{trial.family}: {trial.error}" for trial in done}))
        raise PerdureError(f"all {len(done)} trials failed: {reasons}")
    return done


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the smallest loss on all rows; the earliest of equals."""
    ended = [trial for trial in trials if trial.status == "ok"]
    return min(ended, key=lambda trial: (trial.loss or 0.0, trial.number))


def _compared(trial: Trial) -> float:
    """The loss that all trials of a search have, on the same rows."""
    loss = trial.loss if trial.early is None else trial.early
    assert loss is not None
    return loss


def _rank(trial: Trial) -> tuple[float, int]:
    return _compared(trial), trial.number


def _finalists(done: Sequence[Trial], share: float) -> list[Trial]:
    """This share of each family's trials, the best, one at least, in the order of their numbers. A family is held
    against itself only: a linear model is nearly done on a share of the rows where trees have just begun."""
    ended = [trial for trial in done if trial.status != "failed"]
    chosen = []
    for family in {trial.family for trial in ended}:
        own = sorted((trial for trial in ended if trial.family == family), key=_rank)
        chosen += own[: max(1, math.ceil(len(own) * share))]
    return sorted(chosen, key=lambda trial: trial.number)


class _Work:
    """Runs rounds of trials."""

    def __init__(self, objective: Objective, effort: Effort, progress: Progress | None, threads: ThreadPoolExecutor,
                 known: Mapping[int, Trial]) -> None:
        self.objective, self.effort, self.progress = objective, effort, progress
        self.threads, self.known = threads, known
        self.done: list[Trial] = []
        # An earlier search's time counts, from its start to the last trial that it ended.
        self.began = time.monotonic() - max((trial.ended for trial in known.values()), default=0.0)

    def round(self, points: list[Trial]) -> list[Trial]:
        """These trials ended, on the share of the rows where there is one."""
        trials = list(self.threads.map(lambda point: self._known(point) or self._tried(point), points))
        self.done += trials
        return trials

    def finished(self) -> list[Trial]:
        """All trials, each family's best ended on all rows. Where these all fail there, the next best has its turn."""
        if self.effort.early is not None:
            wanted = _finalists(self.done, self.effort.early)
            while at := [trial.number for trial in wanted if trial.status == "stopped"]:
                for trial in self.threads.map(lambda number: self._told(self._run(self.done[number], 1.0)), at):
                    self.done[trial.number] = trial
                ended = {trial.family for trial in self.done if trial.status == "ok"}
                wanted = _finalists([trial for trial in self.done if trial.family not in ended], 0.0)
        return self.done

    def enough(self) -> bool:
        """Whether no further round is worth it, or there is no time for one."""
        effort, ended = self.effort, [trial for trial in self.done if trial.status != "failed"]
        late = effort.seconds is not None and self._clock() >= effort.seconds
        if late and max(self.known, default=-1) < len(self.done):
            return bool(ended)
        if effort.patience is None or not ended:
            return False
        return len(self.done) - 1 - min(ended, key=_rank).number >= effort.patience

    def _clock(self) -> float:
        return time.monotonic() - self.began

    def _known(self, point: Trial) -> Trial | None:
        found = self.known.get(point.number)
        same = found is not None and (found.family, dict(found.params)) == (point.family, dict(point.params))
        return found if found and same and (found.early is None) == (self.effort.early is None) else None

    def _tried(self, trial: Trial) -> Trial:
        """The trial with its loss on what is tried first."""
        if self.effort.early is None:
            return self._told(self._run(trial, 1.0))
        tried = self._run(trial, self.effort.early)
        return self._told(replace(tried, early=tried.loss, status="stopped") if tried.status == "ok" else tried)

    def _run(self, trial: Trial, share: float) -> Trial:
        started = time.monotonic()
        try:
            loss, metrics = self.objective(trial.family, trial.params, share)
            if not math.isfinite(loss):
                raise PerdureError(f"the loss must be a finite number, found {loss}")
            found = replace(trial, loss=float(loss), metrics=dict(metrics), status="ok")
        except Exception as error:
            # Java's own error stands in the second line.
            reason = f"{type(error).__name__}: {' '.join(str(error).splitlines()[:2])}"
            found = replace(trial, loss=None, status="failed", error=reason)
        return replace(found, seconds=trial.seconds + time.monotonic() - started)

    def _told(self, trial: Trial) -> Trial:
        trial = replace(trial, ended=self._clock())
        if self.progress is not None:
            self.progress(trial)
        return trial


class _Suggestions:
    """Draws points and learns their losses, through hyperopt's own suggest functions (its `fmin` runs one thread and
    prints)."""

    def __init__(self, spaces: Mapping[str, Space], seed: int) -> None:
        from hyperopt import Trials, hp
        from hyperopt.base import Domain

        self.spaces, self.seed = spaces, seed
        self.untried = list(spaces)
        tree = hp.choice("family", [{"family": name, "params": dict(_space(name, space))}
                                    for name, space in spaces.items()])
        self.domain, self.trials = Domain(lambda _: 0.0, tree), Trials()
        self.pending: list[dict[str, Any]] = []

    def draw(self, count: int) -> list[tuple[str, Params]]:
        """The next `count` points."""
        self.pending = [self._suggest() for _ in range(count)]
        return [self._point(document) for document in self.pending]

    def learn(self, found: list[Trial]) -> None:
        """Take in the losses of the points drawn last."""
        from hyperopt.base import JOB_STATE_DONE

        for document, trial in zip(self.pending, found, strict=True):
            document["state"] = JOB_STATE_DONE
            failed = trial.status == "failed"
            document["result"] = {"status": "fail"} if failed else {"status": "ok", "loss": _compared(trial)}
        self.trials.insert_trial_docs(self.pending)
        self.trials.refresh()

    def _suggest(self) -> dict[str, Any]:
        from hyperopt import rand, tpe

        (number,) = self.trials.new_trial_ids(1)
        seed = (self.seed * 1_000_003 + number) % 2**31
        if not self.untried:
            return dict(tpe.suggest([number], self.domain, self.trials, seed, n_startup_jobs=STARTUP, verbose=False)[0])
        wanted = self.untried.pop(0)
        while True:  # until chance picks the wanted family: a few draws
            document = dict(rand.suggest([number], self.domain, self.trials, seed)[0])
            if self._point(document)[0] == wanted:
                return self._first(document, wanted)
            seed = (seed + 7919) % 2**31

    def _first(self, document: dict[str, Any], family: str) -> dict[str, Any]:
        """A family's first point: where its dimensions say, and as drawn where they don't. Of a choice Hyperopt keeps
        the place."""
        for name, dimension in self.spaces[family].items():
            if dimension.first is not None:
                value = dimension.place(dimension.first) if isinstance(dimension, Choice) else dimension.first
                document["misc"]["vals"][f"{family}.{name}"] = [value]
        return document

    def _point(self, document: dict[str, Any]) -> tuple[str, Params]:
        from hyperopt import space_eval

        values = {name: found[0] for name, found in document["misc"]["vals"].items() if found}
        point = space_eval(self.domain.expr, values)
        space = self.spaces[point["family"]]
        return point["family"], {name: _plain(space[name], value) for name, value in point["params"].items()}


def _space(family: str, space: Space) -> Iterator[tuple[str, Any]]:
    """A family's space in hyperopt's terms, with labels that no other family has."""
    from hyperopt import hp

    for name, dimension in space.items():
        label = f"{family}.{name}"
        if isinstance(dimension, Uniform):
            yield name, hp.uniform(label, dimension.low, dimension.high)
        elif isinstance(dimension, LogUniform):
            yield name, hp.loguniform(label, math.log(dimension.low), math.log(dimension.high))
        elif isinstance(dimension, Integer):
            yield name, hp.quniform(label, dimension.low, dimension.high, dimension.step)
        else:
            yield name, hp.choice(label, list(dimension.options))


def _plain(dimension: Dimension, value: Any) -> str | int | float | bool:
    """A drawn value as a plain Python one, within the dimension's bounds (hyperopt rounds past them)."""
    if isinstance(dimension, Choice):
        return next(option for option in dimension.options if option == value and type(option) is type(value))
    if isinstance(dimension, Integer):
        steps = round((value - dimension.low) / dimension.step)
        last = (dimension.high - dimension.low) // dimension.step
        return dimension.low + int(min(max(steps, 0), last)) * dimension.step
    return float(min(max(value, dimension.low), dimension.high))
