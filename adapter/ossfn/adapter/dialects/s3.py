"""Stores that send Amazon S3's event record over HTTP: a table of how each spells it.

A store that copies S3 is a row here.
"""

from functools import partial

import msgspec

from ossfn.adapter.dialects import s3_record
from ossfn.adapter.dialects.decoded import Decoded
from ossfn.adapter.dialects.fields import form_decoded, plain
from ossfn.adapter.dialects.notification import Notification, text
from ossfn.adapter.dialects.records import decode_records
from ossfn.adapter.dialects.s3_record import Store

# Amazon S3 user guide, "Event message structure": keys are form-encoded, `/` stays.
AWS = Store("aws", form_decoded)
# MinIO's webhook target and its heirs (JuiceFS gateway, Silo): form-encoded, `/` too.
MINIO = Store("minio", form_decoded)
# MinIO's ListenNotification stream, as a bridge may post it: the same record with a plain key, told by nothing else.
MINIO_LISTEN = Store("minio", plain)
# Ceph RGW: plain. Releases before 15 call themselves `aws:s3`, so a source that receives from one must be named `ceph`.
CEPH = Store("ceph", plain)

_BY_EVENT_SOURCE = {"aws:s3": AWS, "minio:s3": MINIO, "ceph:s3": CEPH}


def store_of(event_source: str) -> Store:
    """Who wrote a record, by its own `eventSource`; a newcomer is read as Amazon's, whose record it copies."""
    return _BY_EVENT_SOURCE.get(event_source, AWS)


def decode(notification: Notification, store: Store | None = None) -> Decoded:
    """The events in `Records`, spelled as `store` does, or as each record's `eventSource` says."""
    if text(notification.top.Event) == "s3:TestEvent":
        return Decoded((), ("s3:TestEvent: notifications were configured",))
    of = (lambda _: store) if store else store_of
    decoded = decode_records(notification, partial(s3_record.decode, store_of=of))
    return _with_plain_key(decoded, notification)


def _with_plain_key(decoded: Decoded, notification: Notification) -> Decoded:
    """MinIO's top-level `Key` is `bucket/key` in plain characters: a record's key that equals it is plain too."""
    if len(decoded.events) != 1:
        return decoded
    event = decoded.events[0]
    if event.key == event.raw_key or text(notification.top.Key) != f"{event.bucket}/{event.raw_key}":
        return decoded
    return Decoded((msgspec.structs.replace(event, key=event.raw_key),), decoded.ignored)
