"""Job: see `./spark-submit.sh jobs/quarantine.py --help`."""

from perdure.cli_data import quarantine

if __name__ == "__main__":
    quarantine()
