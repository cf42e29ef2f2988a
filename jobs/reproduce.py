"""Job: see `./spark-submit.sh jobs/reproduce.py --help`."""

from perdure.cli import reproduce

if __name__ == "__main__":
    reproduce()
