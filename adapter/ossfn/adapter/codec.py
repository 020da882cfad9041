"""An event as one line of JSON, the form in which backends keep it; the record inside stays byte for byte. Pure."""

import msgspec

from ossfn.adapter.events import ObjectEvent

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ObjectEvent)


def encode_event(event: ObjectEvent) -> bytes:
    """The stored form."""
    return _encoder.encode(event)


class DamagedEvent(ValueError):
    """What is kept of an event cannot be read any more."""


UNREADABLE = ObjectEvent(
    name="", bucket="", key="", time="", dialect="", event_source="", record=msgspec.Raw(b"null")
)  # fmt: skip
"""Stands in history for an event that is damaged."""


def decode_event(line: bytes) -> ObjectEvent:
    """The event again; fields that a later release adds are ignored by an older one. Raises DamagedEvent."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedEvent(f"the kept event is damaged: {error}") from error


def readable_event(line: bytes) -> ObjectEvent:
    """The event again, or UNREADABLE."""
    try:
        return decode_event(line)
    except DamagedEvent:
        return UNREADABLE
