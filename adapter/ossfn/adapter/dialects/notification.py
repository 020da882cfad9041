"""A notification as it arrives: headers, body and the few top-level members that tell the formats apart."""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ossfn.adapter.dialects.decoded import NotDecodable

T = TypeVar("T")

MAX_COMMAS = 250_000
"""In one notification: a thousand records with 250 each, where S3's record has about thirty."""


class Top(msgspec.Struct, frozen=True):
    """The top level of a body, one member for each thing that some format is known by. Values stay unread JSON."""

    Records: list[Raw] | None = None
    """S3 and all that copied it."""
    Key: Raw | UnsetType = UNSET
    """MinIO: `bucket/key` of the first record, never encoded."""
    Event: Raw | UnsetType = UNSET
    """S3's test event."""
    Type: Raw | UnsetType = UNSET
    """SNS."""
    detail_type: Raw | UnsetType = msgspec.field(name="detail-type", default=UNSET)
    """EventBridge."""
    event_type: Raw | UnsetType = UNSET
    """SeaweedFS."""
    events: Raw | UnsetType = UNSET
    """Aliyun OSS."""
    message: Raw | UnsetType = UNSET
    """Google Pub/Sub, and SeaweedFS beside its `event_type`."""
    type: Raw | UnsetType = UNSET
    """CloudEvents: what happened."""
    specversion: Raw | UnsetType = UNSET
    """CloudEvents."""


class Notification(msgspec.Struct, frozen=True):
    """What a dialect decodes. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes
    top: Top
    """Empty when the body is an array."""
    is_array: bool = False


_read_top = msgspec.json.Decoder(Top).decode
_read_string = msgspec.json.Decoder(str).decode


def read(headers: Mapping[str, str], body: bytes) -> Notification:
    """Take the body's top level apart; NotDecodable when it is not JSON in UTF-8."""
    # Counted before anything is read: of `[1,1,1,…]` each two bytes would become an object of ninety.
    if (commas := body.count(b",")) > MAX_COMMAS:
        raise NotDecodable("$", f"{commas} commas in one notification, at most {MAX_COMMAS} are taken")
    try:
        body.decode()  # msgspec looks at the encoding of those strings only that it hands out
    except UnicodeDecodeError as error:
        raise NotDecodable(f"byte {error.start}", "not UTF-8") from error
    if body.lstrip()[:1] == b"[":
        return Notification(headers, body, Top(), is_array=True)
    try:
        return Notification(headers, body, _read_top(body))
    except (msgspec.DecodeError, RecursionError) as error:
        raise fault(error) from error


def fields(decoder: msgspec.json.Decoder[T], raw: bytes | Raw) -> T:
    """Decode with msgspec, its complaint turned into a NotDecodable with a place."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise fault(error) from error


def text(member: Raw | UnsetType) -> str:
    """A top-level member that is a string; empty when it is missing or something else."""
    if not isinstance(member, Raw):
        return ""
    try:
        return _read_string(member)
    except msgspec.DecodeError:
        return ""


_MISSING = re.compile(r"Object missing required field `(.+)`")


def fault(error: msgspec.DecodeError | RecursionError) -> NotDecodable:
    """What msgspec says, ``Expected `str`, got `int` - at `$.s3.object.key` `` as place and reason."""
    if isinstance(error, RecursionError):
        return NotDecodable("$", "nested too deep")
    reason, _, path = str(error).partition(" - at `$")
    place = path.rstrip("`").lstrip(".")
    missing = _MISSING.fullmatch(reason)
    if missing:  # name the member itself, as for one that is wrong
        return NotDecodable(f"{place}.{missing[1]}".lstrip("."), "this required member is missing")
    if path:
        return NotDecodable(place or "$", reason)
    malformed, _, byte = reason.removeprefix("JSON is malformed: ").partition(" (byte ")
    if byte:
        return NotDecodable(f"byte {byte.rstrip(')')}", f"not JSON: {malformed}")
    return NotDecodable("$", reason if isinstance(error, msgspec.ValidationError) else f"not JSON: {malformed}")
