"""Job: see `./spark-submit.sh jobs/history.py --help`."""

from perdure.cli import history

if __name__ == "__main__":
    history()
