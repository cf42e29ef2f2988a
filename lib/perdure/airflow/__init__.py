"""A pipeline as an Airflow DAG, in one line of a file in the DAGs folder:

    from perdure.airflow import pipeline_dag

    dag = pipeline_dag("pipelines/flights.yml")

For Airflow 3 in an environment of its own, which needs `sqlglot` besides (pipeline files are checked when the DAG is
parsed) and this library's `lib` folder on its PYTHONPATH: no Spark, no MLflow. The tasks are the jobs, started by
`spark-submit.sh` beside it, in the environment that it sets up.
"""

from __future__ import annotations

from .dag import pipeline_dag, table_asset

__all__ = ["pipeline_dag", "table_asset"]
