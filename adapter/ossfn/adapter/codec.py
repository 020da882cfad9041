"""An event as one line of JSON, the form in which backends keep it; the record inside stays byte for byte. Pure."""

import msgspec

from ossfn.adapter.events import ObjectEvent

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ObjectEvent)


def encode_event(event: ObjectEvent) -> bytes:
    """The stored form."""
    return _encoder.encode(event)


def decode_event(line: bytes) -> ObjectEvent:
    """The event again; fields that a later release adds are ignored by an older one."""
    return _decoder.decode(line)
