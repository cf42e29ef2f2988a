"""Job: see `./spark-submit.sh jobs/init.py --help`."""

from perdure.cli_data import init

if __name__ == "__main__":
    init()
