"""Job: see `./spark-submit.sh jobs/publish.py --help`."""

from perdure.cli import publish

if __name__ == "__main__":
    publish()
