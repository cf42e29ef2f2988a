"""A challenger made bad on purpose, in a canary rollout: when it is rolled back, and who would have been hurt.

    ./spark-submit.sh benchmarks/bad_challenger.py [pipelines/flights.yml] [--target NAME] [--steps 10 50 100]
        [--minimum-rows 100] [--json FILE]

The pipeline's target must have been lived already (jobs/run.py). Its features and labels are lived again in a scratch
target below that one's storage, with a canary rollout trained every interval until the bad one has left, and without a
model gate, which would have refused it before it served anybody. The first training is sound and becomes the champion.
The next that is due learns from labels that a bug upstream has spoilt: turned round (binary), or in another unit
(regression: halved). Everything after that is the project's own: the challenger serves its share of the keys, the
champion answers beside it, outcomes come, the policy decides. Interrupted, it resumes. Prints each interval: who
served how many rows, and of the challenger's rows how many it got wrong (regression: further off) where the champion
beside it was right; had it been deployed directly, all rows of its time would have had its answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.cli import opened
from perdure.core.conditions import Retrain
from perdure.core.config import Gate, Rollout
from perdure.core.protocols import Read, StepResult
from perdure.run.champion import challenger_at, champion_at
from perdure.run.context import Context
from perdure.run.flow import Session
from perdure.run.scratch import decided, scratch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@contextmanager
def spoilt_labels(task: str) -> Iterator[None]:
    """Trainings inside the block see other labels than the world's."""
    from perdure.steps import train

    sound = train.train

    def spoilt(features: DataFrame, labels: DataFrame, **more: Any) -> StepResult:
        return sound(features, labels.withColumn("label", labels.label / 2 if task != "binary" else 1 - labels.label),
                     **more)

    train.train = spoilt
    try:
        yield
    finally:
        train.train = sound


def live(base: Context, rules: Rollout) -> dict[str, Any]:
    """The life, as JSON: the bad version, each interval since it came, and every decision on it."""
    changes = {"rollout": rules, "gate": Gate(mode="off"), "retrain": Retrain(when="always")}
    with scratch(base, changes) as context:
        session, task = Session(context), context.pipeline.model.task
        bad: str | None = None
        for interval in decided(base):
            session.score(interval)
            session.monitor(interval)
            if bad is None and champion_at(context.ledger, interval.start) is not None:
                with spoilt_labels(task):
                    session.retrain(interval)
                came = challenger_at(context.ledger, interval.end)
                bad = came.version if came else None
            else:
                session.retrain(interval)
                if bad is not None and challenger_at(context.ledger, interval.end) is None:
                    break  # it has left
        return told(context, bad)


def told(context: Context, bad: str | None) -> dict[str, Any]:
    """What the tables and the ledger say of the bad version."""
    if bad is None:
        return {"bad": None, "intervals": [], "decisions": []}
    found = [record for record in context.ledger.records if record.step in ("deploy", "rollout")
             and bad in (record.facts.get("model_version"), record.facts.get("challenger_version"))]
    decisions = [{"interval": each.interval, "step": each.step, "decision": each.facts["decision"],
                  "reason": each.facts["reason"]} for each in found]
    return {"bad": bad, "intervals": served(context, bad), "decisions": decisions}


def served(context: Context, bad: str) -> list[dict[str, Any]]:
    """Rows an interval in which the bad version answered: `rows` in all, `served` by it, `hurt`: served by it, worse
    than the champion beside it would have been; and `directly`: hurt, had it served everybody."""
    from pyspark.sql import functions as F

    key = context.pipeline.features.key
    # Of a class 0 or 1: right or wrong; of a number: how far off.
    off = F.abs(F.col("prediction") - F.col("label"))
    predictions = context.tables.read(Read("predictions"))
    labels = context.tables.read(Read("labels")).select(key, "label")
    mine, is_bad = predictions.join(labels, key, "left").withColumn("off", off), F.col("model_version") == bad
    both = mine.groupBy(key, "_interval").agg(
        F.max(F.when(is_bad, F.col("role"))).alias("role"), F.max(F.when(is_bad, F.col("off"))).alias("bad"),
        F.max(F.when(~is_bad, F.col("off"))).alias("sound")).where("role IS NOT NULL")
    worse, serves = F.col("bad") > F.col("sound"), F.col("role").isin("challenger", "champion")
    rows = both.groupBy("_interval").agg(
        F.count("*").alias("rows"), F.count_if(serves).alias("served"), F.count_if(serves & worse).alias("hurt"),
        F.count_if(worse).alias("directly")).orderBy("_interval")
    return [{name.removeprefix("_"): value for name, value in row.asDict().items()} for row in rows.collect()]


def main(file: str, target: str | None, rules: Rollout, output: Path | None) -> None:
    """Lives what is missing, then prints what became of the bad version."""
    with opened(file, target) as base:
        found = live(base, rules)
    if output is not None:
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["bad"] is None:
        raise SystemExit("no second training was due in this life, so there was no challenger")
    sys.stdout.write(f"v{found['bad']} was trained on spoilt labels\n")
    for each in found["decisions"]:
        sys.stdout.write(f"  {each['interval']}  {each['step']}: {each['decision']}: {each['reason']}\n")
    for each in found["intervals"]:
        sys.stdout.write(f"  {each['interval']}  it served {each['served']:,} of {each['rows']:,} rows and hurt "
                         f"{each['hurt']:,}; deployed directly it would have hurt {each['directly']:,}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default="pipelines/flights.yml")
    parser.add_argument("--target")
    parser.add_argument("--steps", nargs="*", type=int, default=[10, 50, 100])
    parser.add_argument("--minimum-rows", type=int, default=100)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    wanted = Rollout(kind="canary", steps=tuple(given.steps), minimum_rows=given.minimum_rows)
    main(given.file, given.target, wanted, given.json)
