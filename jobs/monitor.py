"""Job: see `./spark-submit.sh jobs/monitor.py --help`."""

from perdure.cli import monitor

if __name__ == "__main__":
    monitor()
