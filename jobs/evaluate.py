"""Job: see `./spark-submit.sh jobs/evaluate.py --help`."""

from perdure.cli import evaluate

if __name__ == "__main__":
    evaluate()
