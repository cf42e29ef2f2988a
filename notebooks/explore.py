# Databricks notebook source
# MAGIC %md
# MAGIC # Explore the data, and engineer a feature
# MAGIC
# MAGIC For data scientists and data engineers. You look at what came in, see what a good question to the data would be, write a
# MAGIC feature as SQL, and prove that it does not look into the future. Nothing that you try here is stored: when a feature is
# MAGIC good, its SQL goes into the pipeline's file, and every job uses it from then on.
# MAGIC
# MAGIC The example forecasts the temperature of the sea at a buoy, for every half hour, from readings that arrive three hours
# MAGIC late. On Databricks the widgets choose another pipeline; elsewhere the environment does (`PERDURE_PIPELINE`,
# MAGIC `PERDURE_UNTIL`). Only the first cells and the SQL know the buoy's columns.

# COMMAND ----------

from perdure.notebook import Life, chart, parameter, show

life = Life(parameter("pipeline", "pipelines/buoy.yml"))
until = parameter("until", "2016-06-18")
life.run(until=until)  # what the ledger has is not done again

# COMMAND ----------

# MAGIC %md
# MAGIC ## What comes in
# MAGIC A source is raw data with a declared schema. `available_after` says how late a row arrives: a feature may use a row only
# MAGIC from then on. That is the most common mistake in features, and here the machine watches it.

# COMMAND ----------

show(
    [
        {"source": name, "format": source.format, "columns": ", ".join(source.columns), "key": ", ".join(source.key),
         "event time": source.event_time, "available after": str(source.available_after)}
        for name, source in life.pipeline.sources.items()
    ],
    "Sources",
)  # fmt: skip

# COMMAND ----------

# MAGIC %md
# MAGIC ## Is it clean?
# MAGIC Rows that break a critical rule go to quarantine, with the rule. Much of one kind is a question to whoever sends the data;
# MAGIC `jobs/quarantine.py` exports such rows, and takes them back mended.

# COMMAND ----------

from pyspark.sql import functions as F

for name in life.pipeline.sources:
    broken = life.table(f"{name}_quarantine").select(F.explode("_failures").alias("rule"))
    show(
        broken.groupBy("rule.expectation", "rule.column").agg(F.count("*").alias("rows")).orderBy(F.desc("rows")),
        f"Quarantined rows of {name}, by rule",
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Look before you model
# MAGIC Always draw the thing that you want to predict. Here: the temperature by the hour of the day. The sea is warmest in the
# MAGIC afternoon (21 o'clock UTC is 5 in the afternoon there), and the span within a day is about a degree. A forecast that is off
# MAGIC by a degree would therefore be worth nothing.

# COMMAND ----------

by_hour = (
    life.table("labels").groupBy(F.hour("at").alias("hour")).agg(F.avg("label").alias("degrees")).orderBy("hour")
)
chart(by_hour, "hour", "degrees", title="Mean temperature by the hour of the day (UTC)")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The features that are there
# MAGIC One SELECT over the sources. `life.features` builds it for an interval, from what the sources hold now.

# COMMAND ----------

print(life.pipeline.reads_sql()["features"][:600], "...")
features = life.features(until)
numbers = [name for name, kind in features.dtypes if kind in ("double", "int", "bigint")]
known = features.join(life.table("labels").select("moment", "label"), "moment").where("label IS NOT NULL")
related = known.select(*(F.round(F.corr(name, "label"), 3).alias(name) for name in numbers)).first().asDict()
chart(
    [{"feature": name, "correlation": value} for name, value in related.items() if value is not None],
    "feature", "correlation", mark="bar", title=f"How each feature moves with the label, on {until}",
)  # fmt: skip

# COMMAND ----------

# MAGIC %md
# MAGIC ## A feature of your own
# MAGIC An idea: how much the temperature moved in the last six hours that are known. The SQL may use every source, and
# MAGIC `_available_at`, the moment from which a row may be used.

# COMMAND ----------

mine = """
SELECT m.moment, m.at, max(r.temperature) - min(r.temperature) AS span_6h, max_by(r.temperature, r.at) AS latest
FROM moments m
LEFT JOIN readings r ON r.station = m.station AND r._available_at <= m.at AND r._available_at > m.at - INTERVAL 6 HOURS
GROUP BY m.moment, m.at
"""
show(life.features(until, mine).orderBy("at").limit(5), "The first five rows of the new feature")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Does it look into the future?
# MAGIC The check builds the features twice: from everything, and from what was known at some moment. Rows before that moment must be
# MAGIC the same in both. Then the same idea with the usual mistake: the reading's own time in place of when it was known.

# COMMAND ----------

careless = mine.replace("r._available_at", "r.at")
cuts = [f"{until}T06:00", f"{until}T12:00", f"{until}T18:00"]
checked = [
    {"features": name, "cut (UTC)": f"{found.cut:%H:%M}", "rows": found.compared, "rows that knew too much": found.rows,
     "in": ", ".join(found.columns)}
    for name, sql in (("by _available_at", mine), ("by the reading's time", careless))
    for found in life.leaks(until, cuts, sql)
]  # fmt: skip
show(checked, "Which rows were computed from what was not known yet")

# COMMAND ----------

# MAGIC %md
# MAGIC ## When it is good
# MAGIC Put the SQL into the file that `features.sql` of the pipeline names, then:
# MAGIC
# MAGIC - `./spark-submit.sh jobs/check.py PIPELINE` tells every mistake with its line, without data;
# MAGIC - `./spark-submit.sh jobs/run.py PIPELINE` builds it for all the past intervals and goes on from there: what is stored was
# MAGIC   made by the old SQL, so its fingerprint is another one.
# MAGIC
# MAGIC Next: `train.py`, whether a model is better for it.

# COMMAND ----------

life.close()
