"""Records of a Kafka topic, by offsets: each record is in exactly one interval, and read again the same.

`path` is the topic. With an `event_time`, a run reads from each partition's first record whose timestamp is not before
the interval to the first that is not before its end; without one, the whole topic. The offsets are what a run reads (as
files are elsewhere): they are recorded with it, and rows and offsets commit together or not at all. Records that came
since, and partitions added since, have their interval read again, and replaced. It is the record's own timestamp that
counts here; `event_time` is usually that (option `timestamp`).

Values are JSON objects; with `values: avro` and `schema.registry.url` Avro records (see `_avro`). Options: `key`,
`timestamp`, `headers` name the declared columns that take a record's key (text), timestamp, and headers (as JSON text:
a list of [name, value]); `deleted` a boolean column that is true where the value is null (a tombstone; without this
option tombstones are rejected). The rest goes to Spark's reader: `kafka.bootstrap.servers` (needed),
`kafka.security.protocol`, `kafka.sasl.jaas.config`, ...; write `${env:NAME}` for secrets. What isn't such an object is
rejected; `_file` is `topic/partition`, `_line` the offset. The connector's jars (`jars-kafka.lock`) must be on Spark's
class path (`spark-submit.sh --jars`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from perdure.core.config import Source
from perdure.core.errors import NO_KAFKA, SourceError
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.pipeline_file import resolve_secrets
from perdure.core.record import FileVersion

from . import _avro, _drift, _lines, _parse
from . import json as json_source

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession

BY_INTERVAL, IS_PATH = True, False
_META = ("key", "timestamp", "headers", "deleted")
_READER = re.compile(
    r"^((kafka|fetchOffset|kafkaConsumer)\..+|minPartitions|maxRecordsPerPartition|groupIdPrefix)$"
)
_PLACE = re.compile(r"^(?P<topic>[^/\[]+)/(?P<partition>\d+)(\[(?P<since>\d+),(?P<until>\d+)\))?$")
_EARLIEST, _LATEST = -2, -1


class Part(NamedTuple):
    """The records of a topic's partition with offsets in [since, until); its bounds may be earliest and latest."""

    topic: str
    partition: int
    since: int = _EARLIEST
    until: int = _LATEST

    @classmethod
    def parse(cls, text: str) -> Part:
        """The inverse of `str`; without offsets, all records. Raises SourceError for anything else."""
        match = _PLACE.match(text)
        if match is None:
            raise SourceError(f"{text}: expected topic/partition[since,until), as a run's inputs are recorded")
        bounds = (int(match["since"]), int(match["until"])) if match["since"] else ()
        return cls(match["topic"], int(match["partition"]), *bounds)

    def __str__(self) -> str:
        """The text that stands for a file's path."""
        return f"{self.topic}/{self.partition}[{self.since},{self.until})"


def inputs(
    spark: SparkSession, location: str, config: Source, interval: Interval | None, *, first: bool
) -> list[FileVersion]:
    """The offsets that a run over `interval` reads (None: the whole topic), a partition with records each; with their
    number, and their latest timestamp (milliseconds). Raises SourceError when the topic can't be read."""
    from pyspark.sql import functions as F

    reader = _reader(spark, config, location).option("subscribe", location)
    if config.event_time is not None and interval is not None:
        reader = reader.options(
            startingTimestamp=_millis(interval.start.timestamp()),
            endingTimestamp=_millis(interval.end.timestamp()),
            startingOffsetsByTimestampStrategy="latest",  # no record since: none is read
        )
    told = (F.min("offset"), F.max("offset"), F.count(F.lit(1)), F.max(F.unix_millis("timestamp")))
    try:
        found = reader.load().groupBy("partition").agg(*told).orderBy("partition").collect()
    except Exception as error:
        raise _explained(location, error) from error
    return [FileVersion(str(Part(location, row[0], row[1], row[2] + 1)), row[3], row[4]) for row in found]


def read(
    spark: SparkSession, files: Sequence[str], config: Source, changes: list[_drift.Change] | None = None
) -> DataFrame:
    """The records of these parts (see `inputs`; or of whole partitions, `topic/partition`) with their declared types,
    rejected ones included. Raises SourceError when records are gone that a part names, or a column is wanted twice."""
    from pyspark.sql import functions as F

    meta = _meta_columns(config)
    if not files:
        return _parse.empty(spark, config.columns)
    records = _records(spark, [Part.parse(text) for text in files], config)
    value = {name: kind for name, kind in config.columns.items() if name not in meta.values()}
    plain = {name: text for name, text in config.options.items()
             if name not in (*_META, *_avro.OPTIONS) and not _READER.match(name)}  # fmt: skip
    body = config.model_copy(update={"columns": value, "options": plain})
    given, problem = F.col("value").cast("string"), F.lit(None).cast("string")
    if _avro.asked(config.options, config.path):
        given, problem = _avro.text(F.col("value"), _avro.schemas(config.options, config.path))
    rows = records.select(
        F.coalesce(given, F.lit("{}")).alias("value"),
        F.concat_ws("/", "topic", F.col("partition").cast("string")).alias("_file"),
        F.col("offset").alias("_line"),
        F.struct("key", "timestamp", "headers", F.col("value").isNull().alias("deleted"), problem.alias("problem"),
                 F.when(problem.isNotNull(), F.col("value")).alias("raw")).alias("_meta"),
    )  # fmt: skip
    lines = _lines.Lines(rows, None, "UTF-8", ~F.is_valid_utf8("value"))
    carried = _parse.Header(tuple(value))
    parsed = _parse.parse(lines, json_source.format_of(body, {}), carried, value, keep=("_meta",))
    return _with_meta(parsed, config, meta)


def _records(spark: SparkSession, parts: Sequence[Part], config: Source) -> DataFrame:
    topics: dict[str, dict[str, list[int]]] = {}
    for part in parts:
        topics.setdefault(part.topic, {})[str(part.partition)] = [part.since, part.until]
    reader = _reader(spark, config, config.path).options(
        assign=json.dumps({topic: [int(number) for number in found] for topic, found in topics.items()}),
        startingOffsets=json.dumps(_bounds(topics, 0)),
        endingOffsets=json.dumps(_bounds(topics, 1)),
        failOnDataLoss="true",
    )
    try:
        return reader.load()
    except Exception as error:
        raise _explained(config.path, error) from error


def _bounds(topics: Mapping[str, Mapping[str, Sequence[int]]], at: int) -> dict[str, dict[str, int]]:
    return {topic: {number: found[at] for number, found in parts.items()} for topic, parts in topics.items()}


def _with_meta(parsed: DataFrame, config: Source, meta: Mapping[str, str]) -> DataFrame:
    """The declared columns in their order, those of key, timestamp, headers and tombstone taken from the record."""
    from pyspark.sql import functions as F

    given = F.col("_meta")
    key, deleted = given["key"].cast("string"), given["deleted"]
    headers = F.transform(given["headers"], lambda each: F.array(each["key"], each["value"].cast("string")))
    values: dict[str, Column] = {
        "key": key, "timestamp": given["timestamp"], "headers": F.to_json(headers), "deleted": deleted,
    }  # fmt: skip
    reasons = [given["problem"], F.col("_reject")]
    taken = {}
    for role, name in meta.items():
        kind = config.columns[name]
        taken[name] = values[role].try_cast(kind)
        wrong = values[role].isNotNull() & taken[name].isNull()
        reasons.append(F.when(wrong, F.concat(F.lit(f"{name}: expected {kind}, found '"), values[role], F.lit("'"))))
    broken = given["key"].isNotNull() & ~F.is_valid_utf8(key)
    reasons.append(F.when(broken, F.lit("the key is not valid UTF-8 text")) if "key" in meta else F.lit(None))
    if "deleted" not in meta:
        reasons.append(F.when(deleted, F.lit("a tombstone (no value): declare a column for the option 'deleted'")))
    reject = F.coalesce(*reasons)
    return parsed.select(
        *(taken[name].alias(name) if name in taken else quoted(name) for name in config.columns),
        "_file",
        "_line",
        F.when(
            reject.isNotNull(),
            F.coalesce("_record", F.to_json(F.struct(key.alias("key"), given["raw"].alias("value")))),
        ).alias("_record"),
        reject.alias("_reject"),
    )


def _meta_columns(config: Source) -> dict[str, str]:
    """Which column takes which part of the record. Raises SourceError for one that isn't declared."""
    found = {role: str(config.options[role]) for role in _META if role in config.options}
    for role, name in found.items():
        if name not in config.columns:
            raise SourceError(f"{config.path}: the option '{role}' names '{name}', which the schema doesn't declare")
    return found


def _reader(spark: SparkSession, config: Source, topic: str) -> DataFrameReader:
    options = {name: resolve_secrets(str(value)) for name, value in config.options.items() if _READER.match(name)}
    if "kafka.bootstrap.servers" not in options:
        raise SourceError(f"{topic}: a kafka source needs the option 'kafka.bootstrap.servers', such as host:9092")
    return spark.read.format("kafka").options(**options, includeHeaders="true")


def _millis(seconds: float) -> str:
    return str(round(seconds * 1000))


def _explained(topic: str, error: Exception) -> SourceError:
    """What is wrong, in one line: Spark hands on Kafka's exceptions, whose options (with secrets) it doesn't print."""
    text = str(error)
    if "Failed to find data source: kafka" in text or "Failed to find the data source: kafka" in text:
        return SourceError(f"{topic}: {NO_KAFKA}")
    causes = [line.rpartition("Exception: ")[2] for line in text.splitlines() if "Exception: " in line]
    return SourceError(f"{topic}: can't be read: {(causes or text.splitlines() or ['?'])[-1][:300]}")
