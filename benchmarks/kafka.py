"""Messages a second from a topic into Delta, and from Delta to a topic, through the project's own source and sink.

    ./spark-submit.sh --jars CONNECTOR benchmarks/kafka.py HOST:9092 [--messages 500000] [--rounds 3]

Needs a broker that makes topics by itself. Makes a topic of that many JSON records (about 130 bytes each, four
partitions if the broker's default says so), ingests it as `jobs/ingest.py` does (offsets, declared types, rejected
records), and publishes predictions as `jobs/publish.py` does. Prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from perdure.core.config import Source
from perdure.io import publish, session
from perdure.sources import kafka


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers")
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    spark = session.get("kafka benchmark")
    options: dict[str, str | int | bool] = {"kafka.bootstrap.servers": given.servers}
    topic = f"perdure-benchmark-{int(time.time())}"
    config = Source.model_validate({
        "format": "kafka", "path": topic, "schema": {"id": "string", "x": "double", "y": "double", "at": "timestamp"},
        "options": {**options, "key": "id", "timestamp": "at"}})  # fmt: skip
    records = spark.range(given.messages).selectExpr(
        f"'{topic}' AS topic", "concat('key-', id) AS key",
        "to_json(struct(rand(1) AS x, rand(2) AS y, sha2(string(id), 256) AS filler)) AS value")  # fmt: skip
    publish.send(records, options)
    took: dict[str, list[float]] = {"in": [], "out": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            began = time.monotonic()
            _ingest(spark, topic, config, folder)
            took["in"].append(time.monotonic() - began)
            rows = spark.read.format("delta").load(folder)
            assert rows.count() == given.messages, rows.count()
            value = "to_json(struct(id, x AS prediction)) AS value"
            out = rows.selectExpr(f"'{topic}-out' AS topic", "id AS key", value)
            began = time.monotonic()
            publish.send(out, options)
            took["out"].append(time.monotonic() - began)
    for way, seconds in took.items():
        print(f"{way}: {given.messages / statistics.median(seconds):,.0f} messages a second "
              f"({statistics.median(seconds):.1f} s for {given.messages:,})")


def _ingest(spark: Any, topic: str, config: Source, folder: str) -> None:
    parts = kafka.inputs(spark, topic, config, None, first=True)
    rows = kafka.read(spark, [part.path for part in parts], config)
    rows.write.format("delta").mode("overwrite").save(str(Path(folder)))


if __name__ == "__main__":
    main()
