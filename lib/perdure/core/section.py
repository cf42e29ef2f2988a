"""What every section of the pipeline file builds on: the closed, frozen base and the small types of values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from .interval import Duration, parse_time

NAME = r"^[a-z][a-z0-9_]*$"
SQL_TYPE = (
    r"^(boolean|tinyint|smallint|int|integer|bigint|long|float|double|string|date|timestamp|binary"
    r"|decimal\(\d+, ?\d+\))$"
)


def _duration(value: object) -> Duration:
    return value if isinstance(value, Duration) else Duration.parse(str(value))


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return parse_time(str(value))
    except Exception as error:
        raise ValueError(str(error)) from error


Span = Annotated[
    Duration,
    BeforeValidator(_duration),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+\s+(minute|hour|day|week|month|year)s?\s*$"}),
]
Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema({"type": ["string", "integer"]})]
Name = Annotated[str, Field(pattern=NAME)]
SqlType = Annotated[str, Field(pattern=SQL_TYPE)]


class Section(BaseModel):
    """A part of the pipeline file: frozen, and closed to keys that it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)
