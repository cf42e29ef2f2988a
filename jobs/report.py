"""Job: see `./spark-submit.sh jobs/report.py --help`."""

from perdure.cli import report

if __name__ == "__main__":
    report()
