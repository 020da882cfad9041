"""CloudEvents that carry an S3 record, such as another ossfn sends: structured, batched or in binary mode.

Sources: CloudEvents 1.0, JSON event format and HTTP protocol binding. The key is read as the `eventSource` says.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ossfn.adapter.cloudevent import trace_context
from ossfn.adapter.dialects import s3, s3_record
from ossfn.adapter.dialects.decoded import Decoded, NotDecodable
from ossfn.adapter.dialects.notification import Notification, fields
from ossfn.adapter.dialects.records import decode_all
from ossfn.adapter.events import ObjectEvent


class _Event(msgspec.Struct, frozen=True):
    data: Raw
    specversion: str
    osshops: int | str = 0
    traceparent: str = ""
    tracestate: str = ""


_read = msgspec.json.Decoder(_Event)
_read_batch = msgspec.json.Decoder(list[Raw])


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the attributes are in headers and the body is the bare record."""
    return "ce-specversion" in headers


def decode(notification: Notification) -> Decoded:
    """The event, or all of a batch."""
    if is_binary(notification.headers):
        attributes = {n[3:]: value for n, value in notification.headers.items() if n.startswith("ce-")}
        return _one(_from_record(Raw(notification.body), attributes.get("osshops", "0"), attributes))
    if notification.is_array:
        return decode_all(fields(_read_batch, notification.body), "$", _from_structured)
    return _one(_from_structured(Raw(notification.body)))


def _one(event: ObjectEvent | str) -> Decoded:
    return Decoded((), (event,)) if isinstance(event, str) else Decoded((event,))


def _from_structured(raw: Raw) -> ObjectEvent | str:
    event = fields(_read, raw)
    try:
        trace = {"traceparent": event.traceparent, "tracestate": event.tracestate}
        return _from_record(event.data, event.osshops, trace)
    except NotDecodable as error:
        raise error.inside("data") from error


def _from_record(record: Raw, hops: int | str, trace: Mapping[str, str]) -> ObjectEvent | str:
    event = s3_record.decode(record, s3.store_of)
    if isinstance(event, str):
        return event
    # What the record's own metadata does not tell of would be lost on the way through here.
    counted = {"ossfn-hops": str(hops)} if hops not in (0, "0") else {}
    metadata = {**trace_context(trace), **counted, **event.metadata}
    return msgspec.structs.replace(event, dialect="cloudevents", metadata=metadata)
