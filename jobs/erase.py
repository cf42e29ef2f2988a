"""Job: see `./spark-submit.sh jobs/erase.py --help`."""

from perdure.cli_trust import erase

if __name__ == "__main__":
    erase()
