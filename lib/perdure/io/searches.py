"""The trials of a search on the tracking server, each as it ends: for people to watch, and for a search that is cut off
to go on where it was."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

from ._store import process, quiet
from .tracking import _PARENT, _PROCESS, _RUN_ID, TRIAL, Tracking, TrialLog


class Search:
    """The search of one training: a tracking run, from the first trial that ends on, and a nested run a trial. Entered
    as a context manager, the run is marked as failed where the block raises; its trials count all the same."""

    def __init__(self, tracking: Tracking, run_id: str, name: str, tags: Mapping[str, str]) -> None:
        """`name` and `tags`: of the training's tracking run."""
        self._tracking, self._run_id, self._name, self._tags = tracking, run_id, name, tags
        self._lock = threading.Lock()
        self.run = ""
        """The training's tracking run; empty before a trial has ended here."""
        self.kept: dict[str, str] = {}
        """The trials that it holds: name to nested run."""

    def __enter__(self) -> Search:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Marks the run where the search failed."""
        if error is not None and self.run:
            with suppress(Exception), quiet():  # the search's own error is the one to be told
                self._tracking._client.set_terminated(self.run, "FAILED")

    def ended(self) -> list[str]:
        """The notes of all trials (`TrialLog.note`) that searches of this training have kept, here and before."""
        with quiet():
            runs = self._tracking._tagged(_RUN_ID, self._run_id)
            nested = [each for run in runs for each in self._tracking._tagged(_PARENT, run.info.run_id)]
        return [each.data.tags[TRIAL] for each in nested if TRIAL in each.data.tags]

    def keep(self, trial: TrialLog) -> None:
        """Stores a trial that has just ended, in the place of what is kept of it here; from any thread."""
        with self._lock, quiet():
            if not self.run:
                tags = {**self._tags, _RUN_ID: self._run_id, _PROCESS: process()}
                self.run = self._tracking._create_run(self._name, tags)
            self.kept[trial.name] = self._tracking._log_trial(self.run, trial, self.kept.get(trial.name))
