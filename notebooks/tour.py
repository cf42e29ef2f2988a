# Databricks notebook source
# MAGIC %md
# MAGIC # A tour of Perdure
# MAGIC
# MAGIC One pipeline file describes a model's life. Here it is lived for a few days of a small real example (the temperature
# MAGIC of the sea at a buoy), and then looked at as each kind of user would.
# MAGIC
# MAGIC On Databricks, the widgets choose the pipeline; elsewhere the environment does (`PERDURE_PIPELINE`, `PERDURE_UNTIL`).

# COMMAND ----------

from perdure.notebook import Life, parameter

pipeline = parameter("pipeline", "pipelines/buoy.yml")
until = parameter("until", "2016-06-24")
life = Life(pipeline)
life.run(until=until)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The life so far
# MAGIC An interval a line: rows, who served, how good it was, what was decided and why.

# COMMAND ----------

for line in life.lines():
    print(line.interval, f"{line.good} rows", f"v{line.champion or '-'}", line.decision, "-", line.reason)

# COMMAND ----------

# MAGIC %md
# MAGIC ## For the data engineer: what went to quarantine, and why

# COMMAND ----------

from pyspark.sql import functions as F

quarantine = life.table("readings_quarantine")
quarantine.select("moment", "temperature", F.explode("_failures").alias("failure")).groupBy(
    "failure.expectation", "failure.column"
).count().show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## For the data scientist: features, predictions, and what came true

# COMMAND ----------

features = life.table("features")
features.printSchema()
scored = life.table("predictions").join(life.table("labels").select("moment", "label"), "moment")
scored.groupBy("model_version").agg(
    F.count("*").alias("rows"), F.sqrt(F.avg((F.col("prediction") - F.col("label")) ** 2)).alias("rmse")
).orderBy("model_version").show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## For operations: which features moved most, in the last interval

# COMMAND ----------

drift = life.table("drift_metrics").where("drift_type = 'BASELINE' AND slice_key IS NULL")
last = drift.agg(F.max("window.start")).first()[0]
drift.where(F.col("window.start") == F.lit(last)).select(
    "column_name", "population_stability_index", "js_distance", "ks_test.statistic"
).orderBy(F.desc("population_stability_index")).show(10, truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## For the analyst: the report
# MAGIC The same page as `jobs/report.py` writes.

# COMMAND ----------

page = life.report()
if "displayHTML" in globals():
    displayHTML(page)  # noqa: F821 (Databricks gives it)
print(f"the report has {len(page):,} characters")
life.close()
