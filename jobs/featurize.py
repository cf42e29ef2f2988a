"""Job: see `./spark-submit.sh jobs/featurize.py --help`."""

from perdure.cli import featurize

if __name__ == "__main__":
    featurize()
