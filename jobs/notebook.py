"""Job: see `./spark-submit.sh jobs/notebook.py --help`."""

from perdure.cli_operate import notebook_

if __name__ == "__main__":
    notebook_()
