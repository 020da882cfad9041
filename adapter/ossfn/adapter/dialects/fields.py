"""Reading single fields the same way in every dialect: keys, times, identifiers that are only placeholders."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote_to_bytes

import msgspec

from ossfn.adapter.dialects.decoded import NotDecodable

Text = Annotated[str, msgspec.Meta(min_length=1)]
"""A string that must say something: a bucket's name, an event's."""

Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Bytes; bounded so that every backend can keep it."""

Digits = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}$")]
"""A whole number written as text."""

MAX_KEY_BYTES = 1024
"""Amazon S3: an object key is at most 1,024 bytes of UTF-8; every S3-compatible store took that over."""

PLACEHOLDERS: dict[str, str] = {
    "0055AED6DCD90281E5": "sequencer in Amazon's notification guide; LocalStack sends it with every event",
    "0062E99A88DC407460": "sequencer that LocalStack sends with every EventBridge event",
    "617f08299329d189": "sequencer in Amazon's EventBridge guide; moto sends it with every event",
    "N4N7GDK58NMKJ12R": "request id in Amazon's EventBridge guide; moto sends it with every event",
    "null": "version id of an object that has no versions",
    "": "what MinIO and Ceph write for nothing",
}
"""Identifiers that identify nothing. Taken at their word, they would make different events look like repeats of one."""

_PLAIN_UTC = ("--T::Z", "--T::.")
"""Every third character from the fifth on of a time that is RFC 3339 in UTC already, once it is known to be a time."""
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_RFC_1123 = re.compile(r"[A-Z][a-z]{2}, (\d\d?) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def real(identifier: str | None) -> str | None:
    """The identifier, or None for one that is missing or only a placeholder."""
    return None if identifier in PLACEHOLDERS else identifier


def plain(key: str) -> str:
    """A key that the store writes as it is; `+` and `%2F` are the object's own characters."""
    return key


def form_decoded(key: str) -> str:
    """A key that the store writes form-encoded, as Amazon does: `+` is a space, `%XX` a byte of UTF-8."""
    key = key.replace("+", " ").replace("%2F", "/")  # of most keys that is all, and five times as fast as the rest
    return unquote_to_bytes(key).decode() if "%" in key else key


def check_key(key: str, place: str) -> None:
    """Refuse what no store can hold."""
    if not key:
        raise NotDecodable(place, "the key is empty")
    if len(key) * 4 > MAX_KEY_BYTES and len(key.encode()) > MAX_KEY_BYTES:
        raise NotDecodable(place, f"the key is longer than {MAX_KEY_BYTES} bytes of UTF-8")


def user_metadata(headers: Iterable[tuple[str, str]], prefix: str = "x-amz-meta-") -> dict[str, str]:
    """What the uploader put into headers that begin so, without the prefix, names in lower case."""
    metadata = {}
    for name, value in headers:
        if (lower := name.lower()).startswith(prefix):
            metadata[lower[len(prefix) :]] = value
    return metadata


def utc(text: str | None, place: str) -> str:
    """A time as RFC 3339 in UTC; RFC 1123 (JD Cloud) is understood too, and no offset means UTC.

    A store that sends no time, or an empty one, gives an empty string; one that sends nonsense raises NotDecodable.
    """
    if not text:
        return ""
    try:
        if text[4:20:3] in _PLAIN_UTC and text[-1] == "Z" and datetime.fromisoformat(text):
            return text  # every digit as sent: a datetime would cut nanoseconds off
        if _RFC_3339.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
            return rfc_3339(moment.replace(tzinfo=moment.tzinfo or UTC))
        if parts := _RFC_1123.fullmatch(text):
            day, month, year, *clock = parts.groups()
            hour, minute, second = map(int, clock)
            moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
            return rfc_3339(moment)
    except (ValueError, OverflowError) as error:
        raise NotDecodable(place, f"not a time: {text[:64]!r} ({error})") from error
    raise NotDecodable(place, f"not a time in RFC 3339 or RFC 1123: {text[:64]!r}")


def rfc_3339(moment: datetime) -> str:
    """A moment in UTC, `Z` at its end."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
