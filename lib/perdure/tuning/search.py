"""Search over families and params with Hyperopt's tree-structured Parzen estimator (TPE; Bergstra et al. 2011).

Suggestions are drawn in rounds of `ROUND`, whatever the parallelism, and a round's losses are handed back in the
order of its trials. So one seed gives one list of trials, with one thread or with many.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from perdure.core.errors import PerdureError
from perdure.core.space import Choice, Dimension, Integer, LogUniform, Params, Space, Uniform

ROUND = 4
# So many trials are drawn at random before TPE has losses enough to model.
STARTUP = 4


@dataclass(frozen=True)
class Trial:
    """One trial: what was tried, its loss (smaller is better; None when it failed, `error` says why), the metrics
    that the objective gave, and its wall seconds."""

    number: int
    family: str
    params: Params
    loss: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    status: Literal["ok", "failed"] = "ok"
    error: str = ""


# (family, params) -> (loss, metrics)
Objective = Callable[[str, Params], tuple[float, Mapping[str, float]]]


def search(space_by_family: Mapping[str, Space], objective: Objective, *, trials: int, parallelism: int = 1,
           seed: int = 0, progress: Callable[[Trial], None] | None = None) -> list[Trial]:
    """Run `trials` trials and give them in order. Each family is tried once before TPE chooses among them.

    `objective` is called from `parallelism` threads at once. A trial whose objective raises, or gives a loss that
    isn't a finite number, is a failed trial. Raises PerdureError when all of them failed. `progress` is called from
    the calling thread's round as each trial ends, in any order.
    """
    drawn = _Suggestions(space_by_family, seed)
    done: list[Trial] = []
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, ROUND))) as threads:
        for start in range(0, trials, ROUND):
            points = drawn.draw(min(ROUND, trials - start))
            run = functools.partial(_run, objective, progress)
            found = list(threads.map(run, range(start, trials), (p[0] for p in points), (p[1] for p in points)))
            drawn.learn(found)
            done += found
    if not any(trial.status == "ok" for trial in done):
        reasons = "; ".join(sorted({f"{trial.family}: {trial.error}" for trial in done}))
        raise PerdureError(f"all {len(done)} trials failed: {reasons}")
    return done


def best(trials: list[Trial]) -> Trial:
    """The trial with the smallest loss; the earliest of equals."""
    return min((t for t in trials if t.loss is not None), key=lambda trial: (trial.loss, trial.number))


def _run(objective: Objective, progress: Callable[[Trial], None] | None, number: int, name: str,
         params: Params) -> Trial:
    started = time.monotonic()
    try:
        loss, metrics = objective(name, params)
        if not math.isfinite(loss):
            raise PerdureError(f"the loss must be a finite number, found {loss}")
        trial = Trial(number, name, params, float(loss), dict(metrics), time.monotonic() - started)
    except Exception as error:
        # Java's own error stands in the second line.
        reason = f"{type(error).__name__}: {' '.join(str(error).splitlines()[:2])}"
        trial = Trial(number, name, params, None, {}, time.monotonic() - started, "failed", reason)
    if progress is not None:
        progress(trial)
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
            ok = trial.status == "ok"
            document["state"] = JOB_STATE_DONE
            document["result"] = {"status": "ok", "loss": trial.loss} if ok else {"status": "fail"}
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
                return document
            seed = (seed + 7919) % 2**31

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
