"""The small messages of an interval: what they say, and that their ids depend on what they say alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from perdure.core.config import Publish
from perdure.core.record import RunRecord
from perdure.run.publishing import _decisions, _drift

TOPICS = Publish.model_validate({"options": {"kafka.bootstrap.servers": "x:9092"}, "drift": "d", "decisions": "k"})


def record(step: str, **facts: Any) -> RunRecord:
    return RunRecord(
        run_id=f"{step}-run", pipeline="sea", step=step, subject="", interval="2024-01-01", interval_start="a",
        interval_end="b", status="done", code_version="c", config={}, seed=1, started_at="2024-01-02T00:00:00+00:00",
        seconds=1.0, who="me", target="local", facts=facts)  # fmt: skip


def test_a_message_a_feature_that_drifted() -> None:
    monitored = record("monitor", drifted={"depth": ["ks_test"]}, drift={"depth": {"ks_test": 0.4, "js": 0.1}},
                       drift_thresholds={"depth": {"ks_test": 0.2}}, model_version="3")  # fmt: skip
    ((topic, key, text),) = _drift("sea", TOPICS, [monitored])
    told = json.loads(text)
    assert (topic, key, told["column"], told["interval"]) == ("d", "depth", "depth", "2024-01-01")
    assert told["statistics"] == {"ks_test": {"value": 0.4, "threshold": 0.2}}
    ((_, _, again),) = _drift("sea", TOPICS, [replace(monitored, seconds=9.0)])
    assert json.loads(again)["id"] == told["id"]
    ((_, _, other),) = _drift("sea", TOPICS, [replace(monitored, run_id="another")])
    assert json.loads(other)["id"] != told["id"]


def test_a_message_a_decision_also_no() -> None:
    decided = (("retrain", "keep"), ("deploy", "promote"))
    records = [record("monitor"), *(record(step, decision=what) for step, what in decided)]
    told = [(topic, key, json.loads(text)) for topic, key, text in _decisions("sea", TOPICS, records)]
    assert [(topic, key, each["decision"], each["id"]) for topic, key, each in told] == [
        ("k", "retrain", "keep", "retrain-run"), ("k", "deploy", "promote", "deploy-run")]  # fmt: skip
    silent = TOPICS.model_copy(update={"decisions": None, "drift": None})
    assert not [*_decisions("sea", silent, records), *_drift("sea", silent, records)]
