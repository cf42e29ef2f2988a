"""Job: see `./spark-submit.sh jobs/explain.py --help`."""

from perdure.cli_trust import explain

if __name__ == "__main__":
    explain()
