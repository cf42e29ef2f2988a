"""What came of what, from the ledger alone: the runs behind a run, and the runs that a run reached."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from perdure.core.errors import UsageError
from perdure.core.record import RunRecord, TableVersion


class Lineage:
    """The graph of a pipeline's completed runs."""

    def __init__(self, records: Sequence[RunRecord]) -> None:
        """`records`: the ledger's, oldest first."""
        self._records = [record for record in records if record.status in ("done", "refused")]
        self._behind: dict[str, dict[str, RunRecord]] = {}

    def writers(self, table: TableVersion) -> list[RunRecord]:
        """The runs whose rows a reader of this table, at this version and in this range of time, has seen: the newest
        of each (subject, interval) that had written by then, oldest interval first."""
        found: dict[tuple[str, str], tuple[int, RunRecord]] = {}
        for record in self._writing.get(table.table, ()):
            for output in record.outputs:
                was_there = output.table == table.table and output.version <= table.version
                if was_there and output.meets(table.since, table.until):
                    place = (record.subject, record.interval)
                    if place not in found or found[place][0] <= output.version:
                        found[place] = (output.version, record)
        return sorted((record for _, record in found.values()), key=lambda each: (each.interval_start, each.subject))

    def behind(self, record: RunRecord) -> dict[str, RunRecord]:
        """Every run whose rows went into what `record` read, by run id. A scoring's model isn't among them: see
        `training`."""
        if record.run_id not in self._behind:
            found: dict[str, RunRecord] = {}
            for table in record.inputs:
                for writer in self.writers(table):
                    found[writer.run_id] = writer
                    found |= self.behind(writer)
            self._behind[record.run_id] = found
        return self._behind[record.run_id]

    def training(self, version: str) -> RunRecord | None:
        """The run that trained a model version, or brought it from another target; None when there is none."""
        return self._last("train", version) or self._last("promote", version)

    def deployment(self, version: str, before: str = "9999") -> RunRecord | None:
        """The newest decision on a version that was in effect at an ISO time: serving, in a rollout, or refused."""
        found = [record for step in ("deploy", "rollout") for record in self._of(step, version)
                 if str(record.facts.get("effective_from", "")) <= before and record.facts.get("evaluate_run")]
        return found[-1] if found else None

    def answer(self, version: str) -> RunRecord | None:
        """The run that holds a person's last answer to a version that waited for approval; None where nobody gave
        any."""
        found = [record for record in self._of("rollout", version) if record.facts.get("approval")]
        return found[-1] if found else None

    def evaluation(self, version: str) -> RunRecord | None:
        """The run that judged a version: the one that its deployment names, else none."""
        deployed = self.deployment(version)
        wanted = deployed.facts.get("evaluate_run") if deployed else None
        return next((record for record in self._records if record.run_id == wanted), None)

    def scorings(self, version: str | None = None) -> list[RunRecord]:
        """The runs that scored, by one version or by any."""
        return [record for record in self._records if record.step == "score"
                and version in (None, str(record.facts.get("model_version")))]  # fmt: skip

    def trainings(self) -> list[RunRecord]:
        """The runs that trained a version."""
        steps = ("train", "promote")
        return [record for record in self._records if record.step in steps and "model_version" in record.facts]

    def reading(self, text: str) -> dict[str, list[RunRecord]]:
        """File path to the runs that read it, for the files that `text` names: a path, or its end. Raises UsageError
        when no run has read such a file."""
        found: dict[str, list[RunRecord]] = {}
        for record in self._records:
            for file in record.files:
                if file.path == text or file.path.endswith("/" + text.lstrip("./")):
                    found.setdefault(file.path, []).append(record)
        if not found:
            some = sorted({file.path for record in self._records for file in record.files})[:3]
            raise UsageError(f"no run has read a file '{text}'; those that were read are such as {', '.join(some)}")
        return found

    def _of(self, step: str, version: str) -> Iterable[RunRecord]:
        return (record for record in self._records
                if record.step == step and str(record.facts.get("model_version")) == version)  # fmt: skip

    def _last(self, step: str, version: str) -> RunRecord | None:
        return next(reversed(list(self._of(step, version))), None)

    @cached_property
    def _writing(self) -> dict[str, list[RunRecord]]:
        found: dict[str, list[RunRecord]] = {}
        for record in self._records:
            if record.status == "done":
                for table in {output.table for output in record.outputs}:
                    found.setdefault(table, []).append(record)
        return found
