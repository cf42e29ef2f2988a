"""Job: see `./spark-submit.sh jobs/deploy.py --help`."""

from perdure.cli_serve import deploy

if __name__ == "__main__":
    deploy()
