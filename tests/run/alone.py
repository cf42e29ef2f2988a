"""Runs each job of each given day by itself, one after the other in one process: what the jobs do, less 30 starts."""

from __future__ import annotations

import sys

from perdure import cli

JOBS = (cli.ingest, cli.validate, cli.featurize, cli.score, cli.monitor, cli.retrain)

if __name__ == "__main__":
    file, *days = sys.argv[1:]
    for day in days:
        for job in JOBS:
            job.main([file, "--interval", day], standalone_mode=False)
