"""Tools for tests of pipelines and of new members: the Spark fixture, the job counter, the laws of members."""
