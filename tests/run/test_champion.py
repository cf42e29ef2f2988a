"""What a champion relies on, as monitoring weighs drift by it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from perdure.core.record import RunRecord
from perdure.run.champion import Champion


def champion(**facts: Any) -> Champion:
    record = RunRecord(
        "id", "p", "train", "", "2013-05", "", "", "done", "c", {}, 1, "", 1.0, "me", "local", facts=facts)
    return Champion("1", datetime(2013, 6, 1, tzinfo=timezone.utc), record, record)


def test_shap_values_come_before_the_familys_own_measure() -> None:
    own = {"hour": 0.9, "temp": 0.1}
    assert champion(importance=own).weights == pytest.approx(own)
    told = champion(importance=own, explanation={"importance": {"hour": 0.3, "temp": 0.1}})
    assert told.weights == pytest.approx({"hour": 0.75, "temp": 0.25})
    assert champion(importance=own, explanation=None).weights == pytest.approx(own)


def test_nothing_recorded_gives_nothing() -> None:
    assert champion().weights == {}
    assert champion(importance={"hour": 0.0}).weights == {}
