"""Job: see `./spark-submit.sh jobs/promote.py --help`."""

from perdure.cli_trust import promote

if __name__ == "__main__":
    promote()
