"""Data quality: Great Expectations suites judged over a Spark batch in about one scan.

`suites` reads and checks suites without importing Great Expectations; `validation.validate` judges a batch; `scan` is
the fused query, free of Great Expectations. Only `engine` and `judge` import it, and they are imported when a suite
runs.
"""
