"""Job: see `./spark-submit.sh jobs/validate.py --help`."""

from perdure.cli import validate

if __name__ == "__main__":
    validate()
