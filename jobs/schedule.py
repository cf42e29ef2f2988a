"""Job: see `./spark-submit.sh jobs/schedule.py --help`."""

from perdure.cli_operate import schedule_

if __name__ == "__main__":
    schedule_()
