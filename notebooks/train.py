# Databricks notebook source
# MAGIC %md
# MAGIC # Train, and compare
# MAGIC
# MAGIC For data scientists. Which models were tried, how sure we are that the chosen one is better, where it is weak, and how you try
# MAGIC another one without touching the one that serves. Every number here is stored; MLflow shows the same trials with their curves.

# COMMAND ----------

from perdure.notebook import Life, chart, parameter, show

life = Life(parameter("pipeline", "pipelines/buoy.yml"))
until = parameter("until", "2016-06-19")
life.run(until=until)
trainings = [record for record in life.records if record.step == "train" and record.status == "done"]
judged = [record for record in life.records if record.step == "evaluate" and record.status in ("done", "refused")]
metric = life.pipeline.metric

# COMMAND ----------

# MAGIC %md
# MAGIC ## What was tried
# MAGIC A training searches the families and parameters that the pipeline file names. The loss is measured on the last fifth of the
# MAGIC training rows *in time*: a model that is judged on rows from between its training rows looks better than it will be.

# COMMAND ----------

trials = [
    {"training": record.interval, "trial": trial["number"], "family": trial["family"], metric: trial["loss"],
     "params": ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in trial["params"].items()),
     "chosen": "yes" if trial["number"] == record.facts["trial"] else ""}
    for record in trainings for trial in record.facts["trials"] if trial["status"] != "stopped"
]  # fmt: skip
show(trials, "Every trial on all rows")
chart(trials, "trial", metric, colour="training", mark="point", title=f"{metric} of each trial (smaller is better)")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Is the candidate better than the champion?
# MAGIC Both predict the *same* held-out rows, which neither has seen, and the difference is judged pair by pair. So a small but steady
# MAGIC gain can be told from luck. The gate's lines say what had to hold, and what was found.

# COMMAND ----------

show(
    [
        {"training": record.interval, "rule": line.rule, "passed": line.passed, "found": line.measured, "bound": line.bound}
        for record in judged
        for line in record.gate.lines
    ],
    "The gate",
)
sides = [
    {"training": record.interval, "model": side, metric: found[metric]["value"], "low": found[metric]["low"],
     "high": found[metric]["high"]}
    for record in judged for side in ("candidate", "champion") if (found := record.facts.get(side))
]  # fmt: skip
show(sides, f"{metric} on the held-out rows, with its 95 % interval")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Where is it weak?
# MAGIC A good average hides a bad part. The same metric by slice; a rule in the file's `gate.slices` makes a bound of it.

# COMMAND ----------

last = judged[-1]
by_slice = [
    {"slice": f"{part['slice_key']} = {part['slice_value']}", "model": part["model"], "rows": part["rows"],
     metric: part["metrics"][metric]["value"]}
    for part in last.facts.get("slices", ()) if metric in part["metrics"]
]  # fmt: skip
show(by_slice, f"{metric} by slice, in the evaluation of {last.interval}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What does it lean on?
# MAGIC Shares of the model's weight by feature. A feature that carries nearly all of it is either very good or a leak: look at it in
# MAGIC `explore.py`.

# COMMAND ----------

leans = [
    {"training": record.interval, "feature": name, "share": share}
    for record in trainings
    for name, share in (record.facts.get("importance") or {}).items()
]
chart(leans, "feature", "share", colour="training", mark="bar", title="What each model leans on")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Try another one
# MAGIC Training is a pure function of the tables: here is one with boosted trees and two trials, on the same rows as the last
# MAGIC training. It is not registered, and the one that serves is not touched.

# COMMAND ----------

from pyspark.sql import functions as F

at = trainings[-1].interval
tried = life.candidate(at, families=("gbt",), tune=life.pipeline.model.tune.model_copy(update={"trials": 2}))
stored = life.model(str(trainings[-1].facts["model_version"]))


def error(model, name):
    """The root of the mean squared error on the held-out rows."""
    gap = model.transform(tried.holdout).select((F.col("prediction") - F.col("label")).alias("gap"))
    return {"model": name, **gap.agg(F.count("*").alias("rows"), F.sqrt(F.avg(F.col("gap") ** 2)).alias("rmse")).first().asDict()}


if life.pipeline.model.task == "regression":
    show([error(stored, "stored"), error(tried.model, "boosted trees, two trials")], f"On the held-out rows of {at}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## When it is good
# MAGIC Add the family to `model.families` in the pipeline file. The next training that is due searches it, too, and the gate decides:
# MAGIC nobody puts a model into service by hand. `./spark-submit.sh jobs/train.py PIPELINE --interval LABEL` trains one now.

# COMMAND ----------

life.close()
