"""Job: see `./spark-submit.sh jobs/reproduce.py --help`."""

from perdure.cli_operate import reproduce

if __name__ == "__main__":
    reproduce()
