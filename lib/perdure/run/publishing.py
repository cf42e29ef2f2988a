"""The plan that publishes an interval: its predictions, what drifted, and what was decided, as messages.

Every message is JSON with an `id` of its own, which is the same however often it is sent: whoever reads keeps the first
of each id. A run that was cut off sends all of its messages again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

from perdure.core.config import Publish
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import Read, StepResult, Write
from perdure.core.record import JSON, RunRecord, fingerprint
from perdure.io import publish as sink

from .context import Context
from .engine import Inputs, Plan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MESSAGE = "topic string, key string, value string"
_TOLD = ("monitor", "retrain", "deploy")


def publish(context: Context, interval: Interval, config: Publish) -> Plan:
    """All messages of an interval in one Spark job. Facts: `messages` by topic, as far as they are counted already."""
    pipeline = context.pipeline
    wish = Read("predictions", pipeline.features.event_time, interval.start, interval.end, optional=True)
    wishes = (wish,) if config.predictions else ()
    newest = {r.step: r for r in context.ledger.records if r.interval == interval.label and r.status != "failed"}
    told = [newest[step] for step in _TOLD if step in newest]
    small = [*_drift(pipeline.pipeline, config, told), *_decisions(pipeline.pipeline, config, told)]

    def call(inputs: Inputs, run_id: str) -> StepResult:
        frames = [_predictions(context, inputs["predictions"], config.predictions)] if inputs else []
        if small:
            frames.append(context.spark.createDataFrame(small, _MESSAGE).coalesce(1))
        return StepResult(value=reduce(lambda one, other: one.unionByName(other), frames) if frames else None)

    def finish(result: StepResult, run_id: str) -> tuple[Mapping[str, JSON], tuple[Write, ...]]:
        if result.value is not None:
            sink.send(result.value, config.options)
        return {"messages": _counts(context, wish, config, small)}, ()

    topics = {"predictions": config.predictions, "drift": config.drift, "decisions": config.decisions}
    return Plan("publish", interval, topics, call, reads=wishes, latest_only=tuple(w.table for w in wishes),
                identity=[record.run_id for record in told], finish=finish)  # fmt: skip


def _predictions(context: Context, rows: DataFrame, topic: str | None) -> DataFrame:
    """A message a prediction. Its id is made of the scoring run and the key."""
    from pyspark.sql import functions as F

    pipeline = context.pipeline
    key = F.col(quoted(pipeline.features.key)).cast("string")
    body = [F.col(quoted(name)) for name in rows.columns if not name.startswith("_")]
    value = F.to_json(
        F.struct(
            F.sha2(F.concat_ws("|", "_run_id", key, "role"), 256).alias("id"),
            F.lit(pipeline.pipeline).alias("pipeline"),
            F.col("_interval").alias("interval"),
            *body,
        )
    )
    return rows.select(F.lit(topic).alias("topic"), key.alias("key"), value.alias("value"))


def _drift(pipeline: str, config: Publish, told: list[RunRecord]) -> Iterator[tuple[str, str, str]]:
    """A message a feature that drifted, with each statistic, its value and its threshold."""
    for record in told if config.drift else ():
        for column, statistics in (record.facts.get("drifted") or {}).items():
            values = (record.facts.get("drift") or {}).get(column, {})
            bounds = (record.facts.get("drift_thresholds") or {}).get(column, {})
            measured = {name: {"value": values.get(name), "threshold": bounds.get(name)} for name in statistics}
            yield _message(str(config.drift), column, {
                "id": fingerprint([record.run_id, column]), "pipeline": pipeline, "interval": record.interval,
                "column": column, "model_version": record.facts.get("model_version"),
                "statistics": measured})  # fmt: skip


def _decisions(pipeline: str, config: Publish, told: list[RunRecord]) -> Iterator[tuple[str, str, str]]:
    for record in told if config.decisions else ():
        if "decision" in record.facts:
            facts = {name: record.facts.get(name) for name in ("decision", "reason", "model_version")}
            yield _message(str(config.decisions), record.step, {
                "id": record.run_id, "pipeline": pipeline, "interval": record.interval, "kind": record.step, **facts,
                "decided_at": record.started_at})  # fmt: skip


def _message(topic: str, key: str, value: Mapping[str, Any]) -> tuple[str, str, str]:
    return topic, key, json.dumps(value, sort_keys=True)


def _counts(context: Context, wish: Read, config: Publish, small: list[tuple[str, str, str]]) -> dict[str, JSON]:
    counts: dict[str, JSON] = {}
    for topic, _, _ in small:
        counts[topic] = counts.get(topic, 0) + 1
    if config.predictions:
        scored = [out.rows for record in context.ledger.producers(wish) for out in record.outputs]
        counts[config.predictions] = None if None in scored else sum(rows or 0 for rows in scored)
    return counts
