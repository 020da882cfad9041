"""Reading the notifications of many stores: `decode` turns a request into events of one shape.

Pure: no I/O, no clock, no dice. `docs/adding-a-dialect.md` shows how to add a store.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from ossfn.adapter.cloudevent import trace_context
from ossfn.adapter.dialects import aliyun, cloudevents, eventbridge, gcs, jd, notification, s3, seaweedfs, sns, tencent
from ossfn.adapter.dialects.decoded import Confirmation, Decoded, NotDecodable
from ossfn.adapter.dialects.detect import detect
from ossfn.adapter.dialects.notification import Notification

__all__ = ["AUTO", "DIALECTS", "Confirmation", "Decoded", "NotDecodable", "decode"]

AUTO = "auto"
"""The dialect that is told from each notification itself."""

_DECODERS: dict[str, Callable[[Notification], Decoded | Confirmation]] = {
    "s3": s3.decode,
    "aws": lambda n: s3.decode(n, s3.AWS),
    "minio": lambda n: s3.decode(n, s3.MINIO),
    "minio-listen": lambda n: s3.decode(n, s3.MINIO_LISTEN),
    "ceph": lambda n: s3.decode(n, s3.CEPH),
    "sns": sns.decode,
    "eventbridge": eventbridge.decode,
    "seaweedfs": seaweedfs.decode,
    "jd": jd.decode_callback,
    "jd-function": jd.decode_function_event,
    "aliyun": aliyun.decode,
    "tencent": tencent.decode,
    "gcs": gcs.decode,
    "cloudevents": cloudevents.decode,
}

DIALECTS: tuple[str, ...] = (AUTO, *_DECODERS)
"""Every name that a source may give as its dialect."""


def decode(dialect: str, headers: Mapping[str, str], body: bytes) -> Decoded | Confirmation:
    """Read one notification.

    `headers` have their names in lower case. NotDecodable says where it is wrong and why; no record of it was taken.
    """
    if dialect not in DIALECTS:
        raise NotDecodable("$", f"there is no dialect {dialect!r}; known: {', '.join(DIALECTS)}")
    if dialect in (AUTO, "jd") and (asked := jd.confirmation(headers, body)):
        return asked
    read = notification.read(headers, body)
    decoded = _DECODERS[detect(read) if dialect == AUTO else dialect](read)
    return _traced(decoded, trace_context(headers)) if "traceparent" in headers else decoded


def _traced(decoded: Decoded | Confirmation, context: Mapping[str, str]) -> Decoded | Confirmation:
    """With the trace that the notification came in, unless an event's metadata names one of its own."""
    if isinstance(decoded, Confirmation):
        return decoded
    events = (
        event if "traceparent" in event.metadata else replace(event, metadata={**event.metadata, **context})
        for event in decoded.events
    )
    return Decoded(tuple(events), decoded.ignored)
