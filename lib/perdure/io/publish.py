"""Writes messages to Kafka, through Spark's connector. The only writer of topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perdure.core.errors import NO_KAFKA, PerdureError
from perdure.core.pipeline_file import resolve_secrets

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SERVERS = "kafka.bootstrap.servers"


def send(messages: DataFrame, options: Mapping[str, str | int | bool]) -> None:
    """Sends each row (`topic`, `key`, `value`: text) at least once: a task that is tried again sends its rows again.
    `options`: Kafka's, with the prefix `kafka.`; those may be `${env:NAME}`. Raises PerdureError when a topic can't be
    written; then any part of the rows may have arrived."""
    given = {name: resolve_secrets(str(value)) for name, value in options.items()}
    if SERVERS not in given:
        found = ", ".join(given) or "nothing"
        raise PerdureError(f"publish.options needs '{SERVERS}', such as host:9092; found {found}")
    try:
        messages.write.format("kafka").options(**given).save()
    except Exception as error:
        raise PerdureError(f"messages can't be published to {given[SERVERS]}: {_cause(str(error))}") from error


def _cause(text: str) -> str:
    """What is wrong, in one line. Kafka's exceptions name no option's value."""
    if "ailed to find data source: kafka" in text or "ailed to find the data source: kafka" in text:
        return NO_KAFKA
    causes = [line.rpartition("Exception: ")[2] for line in text.splitlines() if "Exception: " in line]
    return (causes or text.splitlines() or ["?"])[-1][:300]
