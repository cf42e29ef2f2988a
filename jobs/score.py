"""Job: see `./spark-submit.sh jobs/score.py --help`."""

from perdure.cli import score

if __name__ == "__main__":
    score()
