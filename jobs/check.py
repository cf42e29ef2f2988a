"""Job: see `./spark-submit.sh jobs/check.py --help`."""

from perdure.cli import check

if __name__ == "__main__":
    check()
