"""Avro values of a topic, with a real broker and a real schema registry; written by Avro's own library."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
import requests

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources import kafka

from ..kafka import Broker
from .test_kafka import produce

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.services
TIME = "2024-01-01T10:00:00"
FIRST = [
    {"name": "id", "type": "string"},
    {"name": "n", "type": ["null", "int"], "default": None},
    {"name": "x", "type": "double"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "place", "type": {"type": "record", "name": "Place", "fields": [{"name": "town", "type": "string"}]}},
    {"name": "raw", "type": "bytes"},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
]
RECORD = {"id": "é", "n": {"int": 7}, "x": 0.1, "at": 1704103200123, "price": "\u0004\u00d2", "kind": "b",
          "tags": ["u", "v"], "place": {"town": "Bern"}, "raw": "\u0001\u00ff", "day": 19723}  # fmt: skip
COLUMNS = {"id": "string", "n": "int", "x": "double", "at": "timestamp", "price": "decimal(9,2)", "kind": "string",
           "tags": "string", "place": "string", "raw": "binary", "day": "date"}  # fmt: skip


def schema(fields: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "record", "name": "Beat", "fields": fields})


def register(registry: str, subject: str, text: str) -> int:
    """A new version of a subject; gives its schema's number."""
    for _ in range(30):  # its port answers a little before its store does
        answer = requests.post(f"{registry}/subjects/{subject}/versions", json={"schema": text}, timeout=60)
        if answer.status_code < 500:
            break
    answer.raise_for_status()
    return int(answer.json()["id"])


def written(spark: SparkSession, number: int, text: str, record: dict[str, Any]) -> bytes:
    """A record (in Avro's JSON encoding) as the registry's clients send it."""
    assert spark._jvm is not None
    avro = spark._jvm.org.apache.avro
    parsed = avro.Schema.Parser().parse(text)
    decoder = avro.io.DecoderFactory.get().jsonDecoder(parsed, json.dumps(record))
    datum = avro.generic.GenericDatumReader(parsed).read(None, decoder)
    out = spark._jvm.java.io.ByteArrayOutputStream()
    encoder = avro.io.EncoderFactory.get().binaryEncoder(out, None)
    avro.generic.GenericDatumWriter(parsed).write(datum, encoder)
    encoder.flush()
    return b"\0" + struct.pack(">i", number) + bytes(out.toByteArray())


def config(broker: Broker, registry: str, columns: dict[str, str] | None = None, **options: str) -> Source:
    return Source.model_validate({
        "format": "kafka", "path": "x", "schema": columns or COLUMNS,
        "options": {**broker.options, "values": "avro", "schema.registry.url": registry, **options}})  # fmt: skip


def rows(spark: SparkSession, topic: str, count: int, source: Source) -> list[Any]:
    found = kafka.read(spark, [f"{topic}/0[0,{count})"], source.model_copy(update={"path": topic}))
    return sorted(found.collect(), key=lambda row: row["_line"])


def test_each_type_arrives_as_it_was_written(spark: SparkSession, broker: Broker, registry: str) -> None:
    number = register(registry, "typed-value", schema(FIRST))
    broker.topic("typed", 1)
    produce(spark, broker, "typed", [("k", written(spark, number, schema(FIRST), RECORD), 0, TIME)])
    (row,) = rows(spark, "typed", 1, config(broker, registry))
    assert row["_reject"] is None
    assert (row["id"], row["n"], row["x"], str(row["price"]), row["kind"]) == ("é", 7, 0.1, "12.34", "b")
    assert row["at"].isoformat().startswith("2024-01-01T10:00:00.123")
    assert (row["tags"], row["place"]) == ('["u","v"]', '{"town":"Bern"}')
    assert (bytes(row["raw"]), row["day"].isoformat()) == (b"\x01\xff", "2024-01-01")


def test_each_record_by_the_schema_it_was_written_with(spark: SparkSession, broker: Broker, registry: str) -> None:
    """A schema that evolves, and every kind of poison beside it; each with its offset and the reason."""
    fields = [{"name": "id", "type": "string"}, {"name": "n", "type": "int"}]
    old = schema(fields)
    new = schema([{"name": "unit", "type": ["null", "string"], "default": None}, *fields])
    first, second = register(registry, "grown-value", old), register(registry, "grown-value", new)
    other = register(registry, "other-value", schema([{"name": "z", "type": "long"}]))
    good = written(spark, second, new, {"unit": {"string": "m"}, "id": "b", "n": 2})
    broker.topic("grown", 1)
    produce(spark, broker, "grown", [
        ("a", written(spark, first, old, {"id": "a", "n": 1}), 0, TIME),
        ("b", good, 0, TIME),
        ("c", b'{"id": "c"}', 0, TIME),  # JSON
        ("d", good[:-3], 0, TIME),  # cut short
        ("e", b"\0\0", 0, TIME),
        ("f", b"\0" + struct.pack(">i", other) + good[5:], 0, TIME),  # a schema of another subject
        ("g", None, 0, TIME)])  # fmt: skip
    columns = {"key": "string", "id": "string", "n": "int", "unit": "string", "gone": "boolean"}
    source = config(broker, registry, columns, key="key", deleted="gone")
    found = rows(spark, "grown", 7, source)
    assert [(row["id"], row["n"], row["unit"]) for row in found[:2]] == [("a", 1, None), ("b", 2, "m")]
    assert [row["key"] for row in found] == list("abcdefg")
    reasons = [row["_reject"] for row in found]
    assert reasons[:2] == [None, None] and reasons[6] is None and found[6]["gone"]
    assert "not Avro" in reasons[2] and "not Avro" in reasons[4]
    assert reasons[3] == f"not a record of the schema with the number {second}"
    assert reasons[5].startswith(f"its schema has the number {other} in the registry")
    assert json.loads(found[2]["_record"]) == {"key": "c", "value": "eyJpZCI6ICJjIn0="}


def test_what_the_registry_says_against_it(spark: SparkSession, broker: Broker, registry: str) -> None:
    register(registry, "text-value", json.dumps("string"))
    for topic, options, said in (
        ("unknown", {}, "has no subject 'unknown-value'.*schema.registry.subject"),
        ("text", {}, "version 1 of 'text-value' in the schema registry isn't a record"),
        ("x", {"schema.registry.url": "http://u:secret@127.0.0.1:9"}, "can't be asked for /subjects/x-value/versions"),
        ("x", {"values": "proto"}, "is json or avro, found 'proto'"),
    ):
        with pytest.raises(SourceError, match=said) as told:
            rows(spark, topic, 1, config(broker, registry, **options))
        assert "secret" not in str(told.value)
