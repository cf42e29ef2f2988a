"""A life whose model is XGBoost's and whose classes are decided by cost and group: from the training to performance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perdure.core import pipeline_file
from perdure.core.protocols import Read
from perdure.run.cards import facts as card_facts
from perdure.run.context import Context
from perdure.run.flow import Session, due
from perdure.run.progress import Progress

from .parcels import PIPELINE, project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.long
MODEL = ("task: binary, families: [xgboost], tune: {trials: 1}, decision: {false_negative: 4}, "
         "fairness: {group: town, method: thresholds, parity: true_positive_rate, minimum_rows: 20}")


def test_what_was_learnt_is_what_is_scored_and_judged(spark: SparkSession, tmp_path: Path) -> None:
    file = project(tmp_path)
    text = PIPELINE.replace("task: binary, families: [logistic_regression], tune: {trials: 1}", MODEL)
    file.write_text(text.replace("end: 2024-01-07", "end: 2024-01-04").replace("{age: 2 days}", "{age: 9 days}"))
    with Context(pipeline_file.load(str(file), None), spark, Progress(silent=True), str(file)) as context:
        Session(context).live(list(due(context)))
        made, judged, deployed, scored, known = (
            next(record.facts for record in reversed(context.ledger.records) if record.step == step)
            for step in ("train", "evaluate", "deploy", "score", "performance"))
        assert made["family"] == "xgboost"
        assert made["size"] == {}
        assert sum(made["importance"].values()) == pytest.approx(1)
        decision = made["serving"]["decision"]
        assert decision["threshold"] == made["decision"]["threshold"] < 0.5
        assert made["decision"]["after"] <= made["decision"]["before"]
        assert set(decision["groups"]) == {"t0", "t1", "t2"}
        assert deployed["blessing"]["blessed"]
        assert any("xgboost" in name for name in deployed["blessing"]["environment"])
        assert scored["scored_by"] == "MLlib", "no compiled form, so the model's own"
        rows = context.tables.read(Read("predictions")).join(
            context.tables.read(Read("features")).select("id", "town"), "id").collect()
        assert len(rows) == 400
        for row in rows:
            above = row["probability"] > decision["groups"][row["town"]]
            assert row["prediction"] == float(above)
        ((_, stated),) = known["models"].items()
        labels = {row["id"]: row["label"] for row in context.tables.read(Read("labels")).collect()}
        right = sum(row["prediction"] == labels[row["id"]] for row in rows) / len(rows)
        assert stated["metrics"]["accuracy"] == pytest.approx(right)
        apart = made["mitigation"]
        name = "equal_opportunity_difference"
        assert apart["after"]["fairness"][name] <= apart["before"]["fairness"][name]
        assert judged["fairness"]["town"]["groups"]
        facts = card_facts(context, "1")
        assert facts.threshold["threshold"] == decision["threshold"]
