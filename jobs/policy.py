"""Job: see `./spark-submit.sh jobs/policy.py --help`."""

from perdure.cli_operate import policy

if __name__ == "__main__":
    policy()
