"""Perdure: Spark pipelines that keep models alive.

One pipeline file describes a model's whole life; the jobs in `jobs/` live it. Start reading at `perdure.core.protocols`
(the types) and `perdure.run` (what happens in one run).
"""

__version__ = "0.1.0"
