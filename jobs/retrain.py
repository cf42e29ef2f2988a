"""Job: see `./spark-submit.sh jobs/retrain.py --help`."""

from perdure.cli import retrain

if __name__ == "__main__":
    retrain()
