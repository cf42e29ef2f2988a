"""The kafka source against a real broker (KRaft), held to the laws of all sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.interval import Duration, Interval
from perdure.sources import kafka
from perdure.testing import sources as laws

from ..kafka import Broker
from ..sources.drawn import few
from ..sources.test_laws import COLUMNS, SAMPLES, TEXT, _json, _mixed, values

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.services
DAY = Interval.parse("2024-01-01", Duration(1, "day"))
Record = tuple[str | None, bytes | None, int, str]  # key, value, partition, time


def produce(spark: SparkSession, broker: Broker, topic: str, records: Sequence[Record]) -> None:
    """Sends them in this order, with their times, which Spark's own writer can't give."""
    assert spark._jvm is not None
    settings = spark._jvm.java.util.HashMap()
    settings.put("bootstrap.servers", f"127.0.0.1:{broker.port}")
    for role in ("key", "value"):
        settings.put(f"{role}.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer")
    clients = spark._jvm.org.apache.kafka.clients.producer
    producer = clients.KafkaProducer(settings)
    for key, value, partition, time in records:
        millis = int(datetime.fromisoformat(time).replace(tzinfo=timezone.utc).timestamp() * 1000)
        record = clients.ProducerRecord(topic, partition, millis, key and key.encode(), value)
        record.headers().add("source", b"test")
        producer.send(record)
    producer.close()


def at(key: str, number: int, partition: int, time: str) -> Record:
    return key, json.dumps({"n": number}).encode(), partition, time


def config(broker: Broker, **more: Any) -> Source:
    return Source.model_validate({
        "format": "kafka", "path": "x", "schema": {"id": "string", "n": "int", "at": "timestamp"}, "event_time": "at",
        "options": {**broker.options, "key": "id", "timestamp": "at"}, **more})  # fmt: skip


def name_of(path: Path) -> str:
    return f"{path.parent.name.replace('[', '_').replace(']', '_')[-40:]}-{path.name}/0"


def write(broker: Broker, path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    """A topic with these records, made anew; gives the offsets of the bad ones."""
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    assert spark is not None
    topic = name_of(path).removesuffix("/0")
    end = path.with_suffix(".topic")
    if end.exists():
        broker.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", f"127.0.0.1:{broker.port}", "--delete",
                    "--topic", topic)  # fmt: skip
    broker.topic(topic, 1)
    end.touch()
    records = list(_mixed(rows, bad, lambda row: json.dumps(row, default=_json)))
    if records:
        produce(spark, broker, topic, [(None, text.encode(), 0, "2024-01-01T00:00:00") for text, _ in records])
    return [offset for offset, (_, is_bad) in enumerate(records) if is_bad]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@few(1)
@given(data=st.data())
def test_law(spark: SparkSession, broker: Broker, tmp_path: Path, law: Any, data: st.DataObject) -> None:
    bad = next(sample.bad for sample in SAMPLES if sample.format == "json")
    sample = laws.Sample("kafka", COLUMNS, partial(write, broker), bad, broker.options, name_of)
    law(spark, sample, tmp_path, data.draw(st.lists(values(TEXT.filter(str.strip)), min_size=15, max_size=30)))


def test_every_record_is_in_one_interval(spark: SparkSession, broker: Broker) -> None:
    """Also those out of order, at an interval's bounds, late ones and those of partitions that were added."""
    broker.topic("orders", 2)
    produce(spark, broker, "orders", [
        at("a", 1, 0, "2024-01-01T00:00:00"), at("b", 2, 0, "2024-01-01T23:59:59.999"),
        at("c", 3, 0, "2024-01-02T00:00:00"), at("d", 4, 0, "2024-01-01T12:00:00"),
        at("e", 5, 1, "2024-01-01T06:00:00")])  # fmt: skip
    source = config(broker)

    def day(interval: Interval) -> tuple[list[Any], list[int]]:
        found = kafka.inputs(spark, "orders", source, interval, first=False)
        assert kafka.inputs(spark, "orders", source, interval, first=False) == found
        return found, sorted(row["n"] for row in kafka.read(spark, [file.path for file in found], source).collect())

    found, rows = day(DAY)
    assert [(file.path, file.size) for file in found] == [("orders/0[0,2)", 2), ("orders/1[0,1)", 1)]
    assert rows == [1, 2, 5]
    assert day(DAY.next)[1] == [3, 4]  # the fourth came late: it is in the interval that was open then, once
    assert day(DAY.next.next) == ([], [])
    broker.topic("orders", 3, "--alter")
    produce(spark, broker, "orders", [at("f", 6, 2, "2024-01-01T07:00:00"), at("g", 7, 1, "2024-01-03T07:00:00")])
    assert day(DAY)[1] == [1, 2, 5, 6]
    days = (DAY, DAY.next, DAY.next.next)
    assert sorted(number for each in days for number in day(each)[1]) == [1, 2, 3, 4, 5, 6, 7]
    broker.stop()
    hasty = {**source.options, "kafka.default.api.timeout.ms": 3000, "kafka.request.timeout.ms": 2000}
    with pytest.raises(SourceError, match="orders: can't be read"):
        kafka.inputs(spark, "orders", config(broker, options=hasty), DAY, first=False)
    broker.start()
    assert day(DAY)[1] == [1, 2, 5, 6]


def test_keys_headers_tombstones_and_poison(spark: SparkSession, broker: Broker) -> None:
    broker.topic("mixed", 1)
    time = "2024-01-01T10:00:00"
    produce(spark, broker, "mixed", [
        at("a", 1, 0, time), ("b", None, 0, time), ("c", b"\xff\xfe{", 0, time), ("d", b"not json", 0, time),
        ("e", b'{"n": "many"}', 0, time), (None, b'{"n": 6}', 0, time)])  # fmt: skip
    schema = {"gone": "boolean", "n": "int", "id": "string", "at": "timestamp", "about": "string"}
    options = {**broker.options, "key": "id", "timestamp": "at", "headers": "about", "deleted": "gone"}
    source = config(broker, schema=schema, options=options)
    rows = sorted(kafka.read(spark, ["mixed/0[0,6)"], source).collect(), key=lambda row: row["_line"])
    assert [row["id"] for row in rows] == ["a", "b", "c", "d", "e", None]
    assert [row["n"] for row in rows] == [1, None, None, None, None, 6]
    assert [row["gone"] for row in rows] == [False, True, False, False, False, False]
    assert rows[0]["about"] == '[["source","test"]]'
    assert {(row["_file"], row["_line"]) for row in rows} == {("mixed/0", offset) for offset in range(6)}
    reasons = [row["_reject"] for row in rows]
    assert [reason is None for reason in reasons] == [True, True, False, False, False, True]
    assert "UTF-8" in reasons[2] and "JSON" in reasons[3]
    assert reasons[4] == "n: expected int, found 'many'"
    plain = kafka.read(spark, ["mixed/0[1,2)"], config(broker)).collect()
    assert "tombstone" in plain[0]["_reject"]


def test_records_that_are_gone_are_missed(spark: SparkSession, broker: Broker) -> None:
    broker.topic("short", 1)
    produce(spark, broker, "short", [at("a", 1, 0, "2024-01-01T00:00:00")])
    with pytest.raises(Exception, match=r"(?i)offset|data"):
        kafka.read(spark, ["short/0[0,5)"], config(broker, options={
            **broker.options, "fetchOffset.numRetries": 1, "kafkaConsumer.pollTimeoutMs": 500})).collect()
    with pytest.raises(SourceError, match="expected topic/partition"):
        kafka.read(spark, ["short"], config(broker))
