"""Job: see `./spark-submit.sh jobs/suggest.py --help`."""

from perdure.cli_data import suggest

if __name__ == "__main__":
    suggest()
