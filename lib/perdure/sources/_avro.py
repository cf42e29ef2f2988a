"""Avro values of a topic, as the clients of a schema registry write them: a zero byte, the schema's number in the
registry (four bytes, big-endian), the record (Confluent's wire format).

The registry is asked for the subject's versions through the interface that Confluent's, Apicurio's, Karapace's and
Redpanda's share (`GET /subjects/{subject}/versions`, `GET /subjects/{subject}/versions/{version}`). A number never
changes its schema, so the same offsets are read again the same. Spark reads Avro (`spark-avro`, among the jars of
`jars-kafka.lock`); each record goes on as JSON, so that types, rejection and changed columns are what they are for
every JSON value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from perdure.core.errors import SourceError
from perdure.core.pipeline_file import resolve_secrets

if TYPE_CHECKING:
    from pyspark.sql import Column

URL, SUBJECT, LOGIN = "schema.registry.url", "schema.registry.subject", "schema.registry.basic.auth.user.info"
OPTIONS = ("values", URL, SUBJECT, LOGIN)
_HEAD, _SECONDS, _TRIES = 5, 10, 3
# The reader's own field, which no writer has: its default shows that a record was decoded at all.
_READ = "_perdure_read"


def asked(options: Mapping[str, Any], topic: str) -> bool:
    """Whether the values are Avro. Raises SourceError for another kind than json and avro, or without a registry."""
    kind = str(options.get("values", "json"))
    if kind not in ("json", "avro"):
        raise SourceError(f"{topic}: the option 'values' is json or avro, found '{kind}'")
    if kind == "avro" and URL not in options:
        raise SourceError(f"{topic}: Avro values need the option '{URL}', such as http://registry:8081")
    return kind == "avro"


def schemas(options: Mapping[str, Any], topic: str) -> dict[int, dict[str, Any]]:
    """The subject's record schemas by their numbers. Raises SourceError when the registry can't be asked, doesn't know
    the subject, or a schema isn't a self-contained record."""
    url = resolve_secrets(str(options[URL])).rstrip("/")
    subject = str(options.get(SUBJECT, f"{topic}-value"))
    login = resolve_secrets(str(options[LOGIN])) if LOGIN in options else ""
    place = f"/subjects/{quote(subject, safe='')}/versions"
    found = {}
    with _session(login) as session:
        for version in _get(session, url, place, topic, subject):
            told = _get(session, url, f"{place}/{version}", topic, subject)
            found[int(told["id"])] = _record(told, f"{topic}: version {version} of '{subject}' in the schema registry")
    return found


def text(value: Column, known: Mapping[int, Mapping[str, Any]]) -> tuple[Column, Column]:
    """A binary column as its record's JSON text (null where it can't be read), and the reason why it can't, or null.
    Both are null for a null."""
    from pyspark.sql import functions as F

    number = F.conv(F.hex(F.substring(value, 2, 4)), 16, 10).cast("bigint")
    body = F.substring(value, _HEAD + 1, 2**31 - 1)
    framed = (F.octet_length(value) >= _HEAD) & F.startswith(value, F.lit(b"\0"))
    decoded = reduce(lambda rest, each: F.when(number == each[0], _decoded(body, each[1])).otherwise(rest),
                     known.items(), F.lit(None).cast("string"))  # fmt: skip
    plain = F.lit("not Avro as a schema registry's clients write it: a zero byte and a schema's number come first")
    others = f" in the registry; the subject has {', '.join(map(str, sorted(known)))}"
    strange = F.concat(F.lit("its schema has the number "), number, F.lit(others))
    broken = F.concat(F.lit("not a record of the schema with the number "), number)
    reason = (
        F.when(~framed, plain)
        .when(~number.isin(*known), strange)
        .when(decoded.isNull(), broken)
    )
    return F.when(framed, decoded), F.when(value.isNotNull(), reason)


def _decoded(body: Column, schema: Mapping[str, Any]) -> Column:
    from pyspark.sql import functions as F

    own = {"name": _READ, "type": "boolean", "default": True}
    reader = {**schema, "fields": [*schema["fields"], own]}
    options = F.create_map(F.lit("mode"), F.lit("PERMISSIVE"), F.lit("avroSchema"), F.lit(json.dumps(reader)))
    record = F.call_function("from_avro", body, F.lit(json.dumps(schema)), options)
    names = [field["name"] for field in schema["fields"]]
    fields = F.to_json(F.struct(*(record[name].alias(name) for name in names))) if names else F.lit("{}")
    return F.when(record[_READ], fields)


def _record(told: Mapping[str, Any], where: str) -> dict[str, Any]:
    if told.get("schemaType", "AVRO") != "AVRO":
        raise SourceError(f"{where} is of the type {told['schemaType']}; expected AVRO")
    if told.get("references"):
        raise SourceError(f"{where} refers to other subjects, which isn't supported: register it in one piece")
    schema = json.loads(told["schema"])
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise SourceError(f"{where} isn't a record; its fields would be the columns")
    return schema


def _session(login: str) -> Any:
    """Asks again where the registry is away for a moment."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    again = HTTPAdapter(max_retries=Retry(_TRIES, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504)))
    for scheme in ("http://", "https://"):
        session.mount(scheme, again)
    if login:
        user, _, password = login.partition(":")
        session.auth = (user, password)
    return session


def _get(session: Any, url: str, place: str, topic: str, subject: str) -> Any:
    import requests

    try:
        answer = session.get(url + place, timeout=_SECONDS)
        if answer.status_code == 404:
            raise SourceError(f"{topic}: the schema registry has no subject '{subject}'; name the one that the topic's "
                              f"values have: option '{SUBJECT}'")  # fmt: skip
        answer.raise_for_status()
        return answer.json()
    except requests.RequestException as error:
        raise SourceError(f"{topic}: the schema registry can't be asked for {place}: {_plainly(error)}") from error


def _plainly(error: Exception) -> str:
    """Without the address, which may hold a password."""
    answer = getattr(error, "response", None)
    return f"it answered {answer.status_code} {answer.reason}" if answer is not None else type(error).__name__
