"""Reading single fields the same way in every dialect: keys, times, identifiers that are only placeholders."""

import re
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from ossfn.adapter.dialects.decoded import NotDecodable

MAX_KEY_BYTES = 1024
"""Amazon S3: an object key is at most 1,024 bytes of UTF-8; every S3-compatible store took that over."""

PLACEHOLDERS: dict[str, str] = {
    "0055AED6DCD90281E5": "sequencer in Amazon's notification guide; LocalStack sends it with every event",
    "0062E99A88DC407460": "sequencer that LocalStack sends with every EventBridge event",
    "617f08299329d189": "sequencer in Amazon's EventBridge guide; moto sends it with every event",
    "0A1B2C3D4E5F678901": "sequencer in Amazon's sample events (Lambda console, sam local generate-event)",
    "N4N7GDK58NMKJ12R": "request id in Amazon's EventBridge guide; moto sends it with every event",
    "EXAMPLE123456789": "request id in Amazon's sample events (Lambda console, sam local generate-event)",
    "C3D13FE58DE4C810": "request id in Amazon's notification guide",
    "null": "version id of an object that has no versions",
    "": "what MinIO and Ceph write for nothing",
}
"""Identifiers that identify nothing. Taken at their word, they would make different events look like repeats of one."""

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
    if "%" not in key and "+" not in key:
        return key
    return unquote_to_bytes(key.replace("+", " ")).decode()


def check_key(key: str, place: str) -> None:
    """Refuse what no store can hold."""
    if not key:
        raise NotDecodable(place, "the key is empty")
    if len(key) * 4 > MAX_KEY_BYTES and len(key.encode()) > MAX_KEY_BYTES:
        raise NotDecodable(place, f"the key is longer than {MAX_KEY_BYTES} bytes of UTF-8")


def utc(text: str | None, place: str) -> str:
    """A time as RFC 3339 in UTC; RFC 1123 (JD Cloud) is understood too, and no offset means UTC.

    A store that sends no time, or an empty one, gives an empty string; one that sends nonsense raises NotDecodable.
    """
    if not text:
        return ""
    try:
        if _RFC_3339.fullmatch(text):
            return _utc(text, datetime.fromisoformat(text.upper()))
        if parts := _RFC_1123.fullmatch(text):
            day, month, year, *clock = parts.groups()
            hour, minute, second = map(int, clock)
            moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
            return _rfc_3339(moment)
    except (ValueError, OverflowError) as error:
        raise NotDecodable(place, f"not a time: {text[:64]!r} ({error})") from error
    raise NotDecodable(place, f"not a time in RFC 3339 or RFC 1123: {text[:64]!r}")


def _utc(text: str, moment: datetime) -> str:
    if text[-1] == "Z" and text[10] == "T":
        return text  # every digit as sent: a datetime would cut nanoseconds off
    return _rfc_3339(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))


def _rfc_3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
