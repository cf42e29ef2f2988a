"""Job: see `./spark-submit.sh jobs/card.py --help`."""

from perdure.cli_trust import card

if __name__ == "__main__":
    card()
