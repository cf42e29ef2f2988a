# Databricks notebook source
# MAGIC %md
# MAGIC # Why did the model change?
# MAGIC
# MAGIC For whoever is asked that question: the analyst, the model's owner, an auditor. From the version that serves back to the
# MAGIC decision, the evidence behind it, the data that moved, and the run that made it. Nothing here is reconstructed: each decision
# MAGIC was stored when it was taken, with its reason.

# COMMAND ----------

import json

from perdure.notebook import Life, chart, parameter, show
from pyspark.sql import functions as F

life = Life(parameter("pipeline", "pipelines/buoy.yml"))
until = parameter("until", "2016-06-20")
life.run(until=until)
metric = life.pipeline.metric

# COMMAND ----------

# MAGIC %md
# MAGIC ## Who served when
# MAGIC One line for each time that another version went into service, and why.

# COMMAND ----------

show(
    life.newest("alias_history").where("alias = 'champion'").orderBy("effective_from")
    .select("effective_from", "model_version", "previous_version", "reason", "who"),
    "The champion's succession",
)  # fmt: skip

# COMMAND ----------

# MAGIC %md
# MAGIC ## What was decided in each interval, also "no"
# MAGIC A training is due when the policy's conditions hold on the evidence (`retrain` in the pipeline file). A "keep" has a reason, too.

# COMMAND ----------

decisions = life.newest("decisions").orderBy("_interval", "decided_at")
show(decisions.select(F.col("_interval").alias("interval"), "kind", "decision", "model_version", "reason"), "Decisions")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The evidence of the last training
# MAGIC What the policy was looking at when it said "train": one line for each condition.

# COMMAND ----------

decided = [record for record in life.records if record.step == "retrain" and record.facts.get("decision") == "train"][-1]
evidence = decided.facts.get("evidence")
evidence = json.loads(evidence) if isinstance(evidence, str) else evidence
print(f"{decided.interval}: {decided.facts['reason']}")
print(json.dumps(evidence, indent=1, default=str)[:3000])

# COMMAND ----------

# MAGIC %md
# MAGIC ## Was it still good?
# MAGIC Expected: what the model itself gives reason to expect, before any outcome is known. Realised: once outcomes are in. When the
# MAGIC two part, the world has changed in a way that the features do not show.

# COMMAND ----------

performance = (
    life.newest("performance").where(F.col("slice_key").isNull() & (F.col("metric") == metric))
    .where("kind IN ('expected', 'realised')").orderBy("known_at")
    .groupBy(F.col("_interval").alias("interval"), "kind", "model_version")
    .agg(F.max_by("value", "known_at").alias(metric), F.max_by("label_coverage", "known_at").alias("labels known"))
    .orderBy("interval", "kind")
)  # fmt: skip
show(performance, "As it is known now")
chart(performance, "interval", metric, colour="kind", mark="point", title=f"{metric}: expected, and realised")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Which data moved?
# MAGIC How far each feature's distribution is from the one that the champion was trained on. The population stability index is 0 for
# MAGIC equal distributions; many call 0.2 a large change, but small intervals jump by chance, so the monitor learns each feature's
# MAGIC own bound from the reference.

# COMMAND ----------

drift = life.newest("drift_metrics").where("drift_type = 'BASELINE' AND slice_key IS NULL AND column_name <> ':table'")
moved = drift.select(
    F.col("_interval").alias("interval"), F.col("column_name").alias("feature"), "population_stability_index"
).where("population_stability_index IS NOT NULL").orderBy("interval", F.desc("population_stability_index"))  # fmt: skip
show(moved.limit(15), "The features that moved most")
chart(moved, "interval", "population_stability_index", colour="feature", mark="point", title="Drift by feature")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The run behind it
# MAGIC What made the version: which table versions, which code, who, when. `jobs/reproduce.py PIPELINE VERSION` trains it again
# MAGIC from exactly these and compares every prediction.

# COMMAND ----------

record = [record for record in life.records if record.step == "train" and record.status == "done"][-1]
show(
    [
        {"what": "version", "value": str(record.facts["model_version"])},
        {"what": "run", "value": record.run_id},
        {"what": "started", "value": record.started_at},
        {"what": "by", "value": record.who},
        {"what": "code", "value": record.code_version},
        {"what": "trained on", "value": f"{record.facts['since']} to {record.facts['until']}, {record.facts['rows']} rows"},
        *({"what": "table", "value": f"{table.table} at version {table.version}"} for table in record.inputs),
    ],
    "The training of the version that came last",
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Would another policy have done better?
# MAGIC `./spark-submit.sh jobs/policy.py replay PIPELINE --when other.yml` replays a policy over this history, at no training cost.

# COMMAND ----------

life.close()
