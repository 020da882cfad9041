"""What every JSON body of the API keeps to: no unknown fields, no silent conversions, times in RFC 3339."""

import contextlib
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_UNIX = re.compile(r"\d{1,11}(\.\d{1,9})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class Shape(BaseModel):
    """The base of everything that goes in or out as JSON."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


def rfc3339(at: float) -> str:
    """A time (Unix seconds) as `2026-11-22T15:57:26.221000Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix_seconds(given: object) -> float:
    """A time as a client writes it: RFC 3339, or Unix seconds as a number or in digits. Raises ValueError."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        at = float(given)
    elif isinstance(given, str):
        at = float(given) if _UNIX.fullmatch(given) else _from_rfc3339(given)
    else:
        at = -1.0
    if not 0 <= at <= _LAST:
        raise ValueError("give a time between 1970 and 9999, in RFC 3339 or in Unix seconds")
    return at


def _from_rfc3339(text: str) -> float:
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.timestamp()
    raise ValueError(
        "give RFC 3339 with its offset, like 2026-11-22T15:57:26Z, or Unix seconds; in a URL, + is written %2B"
    )


def _unicode(text: str) -> str:
    if not text.isascii() and _SURROGATE.search(text):
        raise ValueError("half a surrogate pair is not a character")
    return text


Text = Annotated[str, Field(max_length=2100), AfterValidator(_unicode)]
"""Long enough for any key, and for a target with the longest URL."""

Time = Annotated[
    float,
    BeforeValidator(unix_seconds),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}, mode="validation"),
]
"""A moment: Unix seconds inside, RFC 3339 in UTC outside."""
