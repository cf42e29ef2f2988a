"""Job: see `./spark-submit.sh jobs/audit.py --help`."""

from perdure.cli_trust import audit

if __name__ == "__main__":
    audit()
