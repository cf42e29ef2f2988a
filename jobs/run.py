"""Job: see `./spark-submit.sh jobs/run.py --help`."""

from perdure.cli import run

if __name__ == "__main__":
    run()
