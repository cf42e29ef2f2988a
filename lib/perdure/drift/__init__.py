"""Statistics that compare two profiles of a column, one a file, and `compare`, which runs them all.

A new statistic is one file here with `threshold` (a number above which the column counts as drifted; infinite where no
general one makes sense), `applies_to` (a set of column kinds) and `statistic(reference, current)` over two
`profile.ColumnProfile`, None where it isn't defined. A test also has `pvalue(reference, current)`. `shrinks` is the
power of the rows by which the statistic falls while nothing changes (0.5 if it isn't said). It never sees rows.
"""

HELPERS = ("attributions", "bins", "calm", "compare", "multivariate", "told")
