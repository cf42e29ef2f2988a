"""What a training is trained again with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from perdure.core.config import Pipeline
from perdure.run.reproduce import _as_recorded

from .parcels import PIPELINE


@pytest.mark.parametrize(("wished", "recorded", "early"), [
    ({}, {"early": 0.1}, 0.1),  # chosen by the number of rows
    ({}, {"early": 1}, 1),
    ({}, {}, 1),  # recorded before there was a choice
    ({"early": 0.5}, {}, 0.5),
])  # fmt: skip
def test_trials_run_on_the_rows_that_they_were_run_on(wished: Any, recorded: Any, early: float) -> None:
    now = Pipeline.model_validate(yaml.safe_load(PIPELINE))
    model = {**now.model.model_dump(mode="json"), "tune": {"trials": 40, "time": "1 hour", **wished}}
    record: Any = SimpleNamespace(config={"model": model, "train": now.train.model_dump(mode="json")},
                                  facts={"trials": [{}, {}, {}], **recorded})
    tune = _as_recorded(now, record).model.tune
    assert (tune.trials, tune.time, tune.early) == (3, None, early)
