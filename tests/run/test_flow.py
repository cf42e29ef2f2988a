"""In which order a session does the steps of many intervals; the steps themselves only note that they were called."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from perdure.core.errors import DataGateRefused
from perdure.core.interval import Duration, Interval
from perdure.run.flow import AHEAD, Session

DAYS = [Interval.parse(f"2024-01-{day:02}", Duration(1, "day")) for day in range(1, 9)]


class Noting(Session):
    """A session whose steps note their interval; `refuses` is one whose data don't pass, `slow` one whose training
    waits until the data steps can get no further."""

    def __init__(self, refuses: int | None = None, slow: int | None = None) -> None:
        progress = SimpleNamespace(heading=lambda text: None, say=lambda text: None)
        pipeline = SimpleNamespace(publish=None, sources={})
        super().__init__(SimpleNamespace(dry_run=False, progress=progress, pipeline=pipeline))  # type: ignore[arg-type]
        self.noted: list[tuple[str, int]] = []
        self.refuses, self.slow = refuses, slow
        self.far = threading.Event()

    def _note(self, step: str, interval: Interval) -> Any:
        day = interval.start.day
        self.noted.append((step, day))
        if step == "featurize" and self.slow is not None and day == self.slow + AHEAD:
            self.far.set()

    def ingest(self, interval: Interval) -> Any:
        self._note("ingest", interval)

    def validate(self, interval: Interval) -> Any:
        self._note("validate", interval)
        if interval.start.day == self.refuses:
            raise DataGateRefused("not these")

    def featurize(self, interval: Interval) -> Any:
        self._note("featurize", interval)

    def score(self, interval: Interval) -> Any:
        self._note("score", interval)

    def monitor(self, interval: Interval) -> Any:
        self._note("monitor", interval)

    def retrain(self, interval: Interval) -> Any:
        if interval.start.day == self.slow:
            assert self.far.wait(30), "the data steps did not get ahead"
        self._note("retrain", interval)

    def alert(self, interval: Interval) -> Any:
        self._note("alert", interval)

    def _restate(self, lived: Any) -> None:
        """Nothing came late."""


def test_each_interval_s_models_come_after_its_data_and_in_order() -> None:
    session = Noting()
    session.live(DAYS)
    for day in range(1, 9):
        steps = [step for step, of in session.noted if of == day]
        assert steps == ["ingest", "validate", "featurize", "score", "monitor", "retrain", "alert"]
    assert [day for step, day in session.noted if step == "score"] == list(range(1, 9))
    assert [day for step, day in session.noted if step == "ingest"] == list(range(1, 9))


def test_a_long_training_lets_the_data_get_ahead_but_no_further_than_stated() -> None:
    session = Noting(slow=2)
    session.live(DAYS)
    before = session.noted[: session.noted.index(("retrain", 2))]
    assert max(day for step, day in before if step == "ingest") == 2 + AHEAD


def test_an_interval_lands_while_the_features_of_the_one_before_are_made() -> None:
    class Building(Noting):
        landed = threading.Event()

        def featurize(self, interval: Interval) -> Any:
            if interval.start.day == 1:
                assert self.landed.wait(30), "the second day did not land beside the first one's features"
            super().featurize(interval)

        def validate(self, interval: Interval) -> Any:
            super().validate(interval)
            if interval.start.day == 2:
                self.landed.set()

    session = Building()
    session.live(DAYS)
    assert [day for step, day in session.noted if step == "featurize"] == list(range(1, 9))


def test_after_refused_data_nothing_later_is_touched() -> None:
    session = Noting(refuses=3)
    with pytest.raises(DataGateRefused):
        session.live(DAYS)
    assert ("alert", 2) in session.noted
    assert ("featurize", 3) not in session.noted
    assert not [each for each in session.noted if each[1] > 3]
    assert session.noted[-1] == ("alert", 3)
