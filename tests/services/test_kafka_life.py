"""A life that is fed from Kafka and publishes to it, killed at many points: nothing lost, nothing doubled that counts.

Many minutes: run by hand, tests/run.sh tests/services/test_kafka_life.py -m slow. PERDURE_KILL_SHARE=1 kills at every
boundary there is; by default at one in thirty-two. PERDURE_COUNTS=file keeps the counts.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..jars import joined
from ..kafka import Broker
from ..run.conftest import JAVA, ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.services, pytest.mark.slow]
DAYS, A_DAY, POISON = 4, 500, 5
PIPELINE = """
pipeline: pulse
targets: {{local: {{storage: .data/pulse, tracking: "sqlite:///.data/mlflow.db", default: true}}}}
interval: 1 day
start: 2024-01-01
end: 2024-01-05
sources:
  beats:
    format: kafka
    path: beats
    schema: {{id: string, x: double, y: double, at: timestamp}}
    options: {{kafka.bootstrap.servers: "127.0.0.1:{port}", key: id, timestamp: at}}
    key: [id]
    event_time: at
features: {{sql: pipelines/pulse.sql, key: id, event_time: at}}
label: {{column: y, from: beats}}
model: {{task: regression, families: [linear_regression], tune: {{trials: 1, parallelism: 1}}}}
train: {{window: 2 days, holdout: 1 day}}
gate: {{thresholds: {{rmse: 5}}}}
retrain: {{when: {{any: [{{age: 1 day}}]}}}}
publish:
  options: {{kafka.bootstrap.servers: "127.0.0.1:{port}"}}
  predictions: predictions
  drift: drift
  decisions: decisions
"""


@pytest.fixture
def topics(broker: Broker) -> Broker:
    """The broker with the life's four topics."""
    for topic in ("beats", "predictions", "drift", "decisions"):
        broker.topic(topic, 2)
    return broker


def project(folder: Path, broker: Broker) -> Path:
    (folder / "pipelines").mkdir(parents=True)
    (folder / "setup.cfg").touch()
    (folder / "pipelines" / "pulse.sql").write_text("SELECT id, at, x FROM beats")
    file = folder / "pipelines" / "pulse.yml"
    file.write_text(PIPELINE.format(port=broker.port))
    return file


def test_killed_at_many_points(spark: SparkSession, topics: Broker, tmp_path: Path) -> None:
    file, broker = project(tmp_path / "project", topics), topics
    sent = fill(spark, broker)
    kills = tmp_path / "kills"
    for _ in range(300):
        if live(file, kills) == 0:
            break
    used = kills.read_text().splitlines()
    assert len(used) >= 3
    tables = file.parents[1] / ".data" / "pulse" / "tables"

    def table(name: str) -> Any:
        return spark.read.format("delta").load(str(tables / name))

    raw = table("raw_beats")
    assert raw.count() == raw.select("_file", "_line").distinct().count() == sent
    rejected = table("beats_quarantine").count()
    assert (table("beats").count(), rejected) == (DAYS * A_DAY, DAYS * POISON)
    predictions = {row["id"]: (row["prediction"], row["_interval"]) for row in table("predictions").collect()}
    assert table("predictions").count() == len(predictions) == 2 * A_DAY
    told = messages(spark, broker, "predictions")
    by_id = {message["id"]: message for message in told}
    assert {m["key_"]: (m["prediction"], m["interval"]) for m in by_id.values()} == predictions
    assert len(by_id) == len(predictions)
    decided = messages(spark, broker, "decisions")
    kinds = sorted((m["interval"], m["kind"]) for m in {m["id"]: m for m in decided}.values())
    assert kinds == sorted((row["_interval"], row["kind"]) for row in table("decisions").collect())
    counts = {"kills": len(used), "records in": sent, "rows": raw.count(), "predictions": len(predictions),
              "messages out": len(told), "ids out": len(by_id)}  # fmt: skip
    if place := os.environ.get("PERDURE_COUNTS"):
        Path(place).write_text(json.dumps(counts))


def fill(spark: SparkSession, broker: Broker) -> int:
    """A few days of records with poison among them; how many they are."""
    from .test_kafka import produce

    chance = random.Random(7)
    records: list[Any] = []
    for day in range(1, DAYS + 1):
        for number in range(A_DAY):
            x = chance.gauss(0, 1)
            value = json.dumps({"x": x, "y": 2 * x + chance.gauss(0, 0.1)}).encode()
            moment = f"2024-01-{day:02}T{number % 24:02}:{number % 60:02}:00"
            records.append((f"{day}-{number}", value, number % 2, moment))
        records += [(f"{day}-bad-{n}", b"not json", 0, f"2024-01-{day:02}T12:00:00") for n in range(POISON)]
    produce(spark, broker, "beats", records)
    return len(records)


def live(file: Path, kills: Path) -> int:
    killed = str(Path(__file__).with_name("killed_kafka.py"))
    command = [str(ROOT / "spark-submit.sh"), "--jars", joined("jars-kafka"), killed, str(file)]
    given = {name: value for name, value in os.environ.items() if name != "SPARK_HOME"}
    given |= {**JAVA, "PERDURE_KILLS": str(kills), "PYTHONPATH": str(ROOT)}
    given.setdefault("PERDURE_KILL_SHARE", "16")
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode in (0, -9, 137), done.stdout + done.stderr
    return done.returncode


def messages(spark: SparkSession, broker: Broker, topic: str) -> list[dict[str, Any]]:
    rows = spark.read.format("kafka").options(**broker.options).option("subscribe", topic).load()
    texts = rows.selectExpr("CAST(key AS string) AS key_", "CAST(value AS string) AS value").collect()
    return [{**json.loads(row["value"]), "key_": row["key_"]} for row in texts]
