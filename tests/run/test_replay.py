"""Evidence from a real ledger, and policies replayed over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline, Retrain, Target
from perdure.core.errors import UsageError
from perdure.core.interval import Interval
from perdure.core.record import RunRecord, TableVersion
from perdure.io.ledger import Ledger
from perdure.io.tables import Tables
from perdure.run.evidence import gather_evidence
from perdure.run.replay import policy_of, replay

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PSI = "population_stability_index"
PIPELINE = Pipeline.model_validate({
    "pipeline": "flights", "targets": {"local": {"storage": "x", "tracking": "y"}}, "interval": "1 month",
    "start": "2013-01",
    "sources": {"s": {"format": "csv", "path": "x", "event_time": "at", "schema": {"id": "string", "at": "timestamp"}}},
    "features": {"sql": "x.sql", "key": "id", "event_time": "at"}, "label": {"column": "id", "from": "s"},
    "model": {"task": "binary", "families": ["gbt"]},
    "train": {"window": "4 months", "holdout": "1 month", "minimum": "3 months"},
    "retrain": {"when": {"drift": PSI, "above": 0.25}},
})


def record(step: str, month: int, subject: str = "", *, rows: int = 0, **facts: Any) -> RunRecord:
    interval = Interval.parse(f"2013-{month:02}", PIPELINE.interval)
    outputs = (TableVersion("labels", 1, rows, interval.start.isoformat(), interval.end.isoformat()),) if rows else ()
    return RunRecord(
        f"{step} {month} {subject}", "flights", step, subject, interval.label, interval.start.isoformat(),
        interval.end.isoformat(), "done", "code", {}, 42, f"2013-{month:02}-28T00:00:00+00:00", 1.0, "me", "local",
        outputs=outputs, facts=facts)


def performance(month: int, known: str, loss: float) -> RunRecord:
    found = {"rows": 90, "label_coverage": 0.9, "metrics": {"log_loss": loss}, "expected": {"log_loss": 0.55},
             "slices": [{"slice_key": "origin", "slice_value": "EWR", "rows": 9, "label_coverage": 0.9,
                         "metrics": {"log_loss": loss}, "expected": {"log_loss": 0.5}}]}
    return record("performance", month, f"known at {known}T00:00", models={"1": found})


@pytest.fixture(scope="module")
def ledger(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Seven months: the first champion trained at the end of March, psi 0.3 in May, loss 0.9 in June."""
    tables = Tables(spark, Target(storage=str(tmp_path_factory.mktemp("ledger")), tracking="x"), "/")
    loss = {"log_loss": {"value": 0.5}}
    with Ledger(spark, tables, "flights") as found:
        for month in range(1, 8):
            found.append(record("validate", month, "s", rows_in=100, quarantined=month))
            found.append(record("featurize", month, rows=100))
            if month >= 4:
                end = f"2013-{month + 1:02}-01"
                found.append(performance(month, end, 0.9 if month == 6 else 0.52))
                found.append(record("monitor", month, drift={"delay": {PSI: 0.3 if month == 5 else 0.1}},
                                    drift_thresholds={"delay": {PSI: 0.05}}, new_categories={"dest": 0.01}))
            found.append(record("retrain", month, decision="train" if month == 3 else "keep", reason="r"))
            if month == 3:
                found.append(record("train", 3, until="2013-03-01T00:00:00+00:00"))
                found.append(record("evaluate", 3, candidate=loss, slices=[
                    {"model": "candidate", "slice_key": "origin", "slice_value": "EWR", "rows": 9, "metrics": loss}]))
                found.append(record("deploy", 3, decision="promote", model_version="1", train_run="train 3 ",
                                    evaluate_run="evaluate 3 ", effective_from="2013-04-01T00:00:00+00:00"))
        found.append(performance(5, "2013-07-01", 0.6))
    return Ledger(spark, tables, "flights")


def test_evidence(ledger: Ledger) -> None:
    evidence, records = gather_evidence(ledger, PIPELINE, Interval.parse("2013-06", PIPELINE.interval))
    assert evidence.champion is not None
    assert (evidence.champion.version, evidence.champion.holdout_slices[0].realised) == ("1", {"log_loss": 0.5})
    assert (evidence.realised, evidence.expected) == ({"log_loss": 0.9}, {"log_loss": 0.55})
    assert evidence.slices[0].expected == {"log_loss": 0.5}
    assert evidence.quarantined == 0.06
    assert (evidence.labelled_rows, evidence.window_rows) == (400, 400)
    assert (evidence.intervals_since_training, len(evidence.trainings)) == (3, 1)
    assert evidence.earlier == ()
    assert {each.step for each in records} == {"monitor", "performance", "train", "evaluate", "featurize", "validate"}


def test_earlier_intervals_as_they_are_known_now(ledger: Ledger) -> None:
    policy = Retrain.model_validate({"when": {"of": {"realised": "log_loss", "worse_by": 0.1}, "times": 2, "last": 3}})
    evidence, _ = gather_evidence(ledger, PIPELINE, Interval.parse("2013-06", PIPELINE.interval), policy)
    assert [each.realised["log_loss"] for each in evidence.earlier] == [0.6, 0.52]  # May, restated since


@pytest.mark.parametrize(("policy", "months"), [
    (None, ["03", "05"]),
    ({"when": "never"}, ["03"]),
    ({"when": "always"}, ["03", "04", "05", "06", "07"]),
    ({"when": "always", "cooldown": 1}, ["03", "05", "07"]),
    ({"when": "always", "budget": {"trainings": 2, "per": "12 months"}}, ["03", "04"]),
    ({"when": {"age": "3 months"}}, ["03", "05", "07"]),
    ({"when": {"realised": "log_loss", "worse_by": 0.5}}, ["03", "06"]),
    ({"when": {"expected": "log_loss", "worse_by": 0.05}, "minimum_rows": 401}, []),
    ({"when": {"new_rows": 300}}, ["03", "05", "07"]),
])
def test_replay(ledger: Ledger, policy: Any, months: list[str]) -> None:
    found = replay(ledger, PIPELINE, Retrain.model_validate(policy) if policy else None)
    assert [each.decided for each in found] == ["keep", "keep", "train", "keep", "keep", "keep", "keep"]
    assert [each.interval[-2:] for each in found if each.would == "train"] == months
    assert all(each.decision.reason for each in found)


def test_a_policy_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.yml"
    file.write_text("when: {age: 2 months}\ncooldown: 1\n")
    assert policy_of(file).cooldown == 1
    file.write_text("retrain: {when: always}\n")
    assert policy_of(file).when == "always"
    file.write_text("when: {aged: 2 months}\n")
    with pytest.raises(UsageError, match="expected a policy as under 'retrain'"):
        policy_of(file)
