"""The report: one self-contained page about a pipeline's life, also as Markdown and JSON. No Spark, no MLflow.

`data` says what it is made from, `render` makes it.
"""
