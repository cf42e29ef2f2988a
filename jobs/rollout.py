"""Job: see `./spark-submit.sh jobs/rollout.py --help`."""

from perdure.cli_serve import rollout

if __name__ == "__main__":
    rollout()
