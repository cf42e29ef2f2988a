# Databricks notebook source
# MAGIC %md
# MAGIC # Operate
# MAGIC
# MAGIC For whoever is called when something is red. Is everything lived that is due? What failed or was refused, and what mends it? What
# MAGIC does an interval cost? All from the ledger: a run is in it when it is complete, and only then.

# COMMAND ----------

from perdure.core import schedule
from perdure.notebook import Life, chart, parameter, show

life = Life(parameter("pipeline", "pipelines/buoy.yml"))
until = parameter("until", "2016-06-19")
life.run(until=until)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The life so far
# MAGIC An interval a line. A hole here is an interval that was not lived: `jobs/run.py PIPELINE --due` makes up for it.

# COMMAND ----------

show(
    [
        {"interval": line.interval, "rows": line.rows_in, "good": line.good, "quarantined": line.quarantined,
         "champion": f"v{line.champion}" if line.champion else "", "decision": line.decision, "reason": line.reason,
         "deployed": line.deployed}
        for line in life.lines()
    ],
    "Intervals",
)  # fmt: skip
when = schedule.calendar(life.pipeline)
print(f"ready {schedule.delay(life.pipeline)} after an interval's end; cron: {when.cron}; systemd: {when.systemd}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What failed, what was refused
# MAGIC A failed run left nothing behind: the same command resumes. A refused one did its work and said no: the data's gate (exit code
# MAGIC 3) holds the pipeline until data or suite are mended; the model's gate (4) keeps the champion, which is no emergency.

# COMMAND ----------

troubles = [record for record in life.records if record.status in ("failed", "refused")]
show(
    [
        {"started": record.started_at[:19], "step": f"{record.step} {record.subject}".strip(), "interval": record.interval,
         "status": record.status,
         "why": record.facts.get("error") or "; ".join(line.sentence for line in record.gate.failures),
         "run": record.run_id[:12]}
        for record in troubles
    ] or [{"": "nothing"}],
    "Troubles",
)  # fmt: skip

# COMMAND ----------

# MAGIC %md
# MAGIC ## Doing it again does nothing
# MAGIC Every run's id is a fingerprint of its inputs, configuration and code. So a retry, a second scheduler or a nervous operator do
# MAGIC no harm. Proof: live the same again, and count.

# COMMAND ----------

print(f"{life.run(until=until)} new runs, {len(life.records)} in the ledger")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What it costs
# MAGIC Seconds by step. A step that grows from interval to interval while its rows don't is worth a question.

# COMMAND ----------

seconds = {}
for record in life.records:
    if record.status == "done":
        seconds.setdefault((record.interval, record.step), []).append(record.seconds)
spent = [
    {"interval": interval, "step": step, "seconds": round(sum(found), 2)}
    for (interval, step), found in sorted(seconds.items()) if interval != "static"
]  # fmt: skip
chart(spent, "interval", "seconds", colour="step", mark="bar", title="Seconds by interval and step")

# COMMAND ----------

# MAGIC %md
# MAGIC ## How large the tables are
# MAGIC Files and bytes as Delta counts them. Many small files: `OPTIMIZE`. Old versions: `VACUUM`, but keep as long as you want to be
# MAGIC able to reproduce (`jobs/reproduce.py` says so clearly when a version is gone).

# COMMAND ----------

from perdure.io import session

spark = session.get("perdure")
sizes = []
for name in ("features", "labels", "predictions", "profiles", "drift_metrics", "runs"):
    where = life.where(name)
    detail = spark.sql(f"DESCRIBE DETAIL {where}").select("numFiles", "sizeInBytes").first()
    sizes.append({"table": name, "files": detail["numFiles"], "bytes": detail["sizeInBytes"]})
show(sizes, "Tables")

# COMMAND ----------

# MAGIC %md
# MAGIC ## In an emergency
# MAGIC
# MAGIC | what | do |
# MAGIC | --- | --- |
# MAGIC | a job died | start the same command again; it goes on where it was |
# MAGIC | data refused | `jobs/quarantine.py` shows the rows; mend the data or the suite; run again |
# MAGIC | wrong data were lived | put right files in their place, run again: the interval is replaced, and what depends on it follows |
# MAGIC | the tracking server is down | wait; no table is touched by it; the same command resumes |
# MAGIC | which run made this number? | `jobs/history.py PIPELINE --interval LABEL`, then `--run ID` |
# MAGIC
# MAGIC `docs/operations.md` says more.

# COMMAND ----------

life.close()
