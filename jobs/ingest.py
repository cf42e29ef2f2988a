"""Job: see `./spark-submit.sh jobs/ingest.py --help`."""

from perdure.cli import ingest

if __name__ == "__main__":
    ingest()
