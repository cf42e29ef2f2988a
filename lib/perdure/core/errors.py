"""Every error a user can meet: the message says what must hold, what was found and what mends it."""

from __future__ import annotations

from collections.abc import Sequence

NO_KAFKA = 'Spark\'s Kafka connector isn\'t there: ./spark-submit.sh --jars "$(./setup.sh jars jars-kafka.lock)" ...'
"""What is said where a topic is read or written without the connector's jars."""


class PerdureError(Exception):
    """Something a user can mend. Jobs print its message without a stack trace and exit with `exit_code`."""

    exit_code = 1


class UsageError(PerdureError):
    """A command line, file or name that can't be right."""

    exit_code = 2


class PipelineFileError(UsageError):
    """A pipeline file with one or more problems; `problems` holds one text each, all found in one go."""

    def __init__(self, problems: Sequence[str]) -> None:
        """`problems`: complete lines, each with file, line, what was expected and the nearest right name."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SourceError(PerdureError):
    """A source that can't be read as declared: the file, the line and what was expected."""


class NotThereYet(SourceError):
    """A source whose files for an interval haven't landed."""


class DataGateRefused(PerdureError):
    """The data did not pass its suite and the pipeline says that this stops it."""

    exit_code = 3


class ModelGateRefused(PerdureError):
    """The candidate did not pass the model gate."""

    exit_code = 4


class EnvironmentMismatch(PerdureError):
    """The environment isn't the one that the model was checked in."""

    exit_code = 5
