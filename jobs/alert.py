"""Job: see `./spark-submit.sh jobs/alert.py --help`."""

from perdure.cli import alert

if __name__ == "__main__":
    alert()
