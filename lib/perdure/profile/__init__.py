"""Mergeable states of a column, one kind a file, and the one scan that fills them. Only `scan` imports
pyspark.

A new state is one file here: a class (see `perdure.core.protocols.State`) named by the module's `STATE`, and
`start(column)`, which gives its empty value for a `profile.Column`, or None where it has nothing to say about
it. One that can take in a value and how often it occurs has `add_counted(values, counts)` beside `add`: much
faster where values repeat.
"""

HELPERS = ("files", "gather", "joint", "profile", "scan")
