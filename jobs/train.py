"""Job: see `./spark-submit.sh jobs/train.py --help`."""

from perdure.cli import train

if __name__ == "__main__":
    train()
