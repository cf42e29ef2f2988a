"""How good predictions are: metrics with intervals, overall and by slice, and the test of one model against another.

`scan.tally` is the one Spark pass; everything after it is arithmetic on its `Tally` objects, without Spark. A new
metric is one file in `metrics/`.
"""
