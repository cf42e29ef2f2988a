"""Job: see `./spark-submit.sh jobs/docs.py --help`."""

from perdure.cli_data import docs

if __name__ == "__main__":
    docs()
