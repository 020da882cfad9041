"""One thing that happened to one object, in the same shape whichever store said so. Pure values."""

import msgspec


class ObjectEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record of a notification, decoded.

    `key` is the object's key in plain characters; `record` is the JSON of the S3 record (AWS 2.x shape): byte for byte
    as received from stores that send that shape, made from theirs (kept whole under `original`) for others.
    """

    name: str
    """Event name, always with `s3:` in front: `s3:ObjectCreated:Put`."""
    bucket: str
    key: str
    time: str
    """RFC 3339 in UTC, e.g. `2026-11-22T15:57:26.221Z`; empty when the store told none."""
    dialect: str
    """The notification format it came in: `aws`, `sns`, `minio`, `ceph`, `eventbridge`, `seaweedfs`, `jd` …"""
    event_source: str
    """The record's own `eventSource` (`aws:s3`, `minio:s3`, `ceph:s3`, `oss` …)."""
    record: msgspec.Raw
    region: str = ""
    raw_key: str = ""
    """The key as the record spells it: form-encoded, but plain from Ceph."""
    raw_name: str = ""
    """The event name as the record spells it."""
    size: int | None = None
    """Bytes."""
    etag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    """Hexadecimal, compared per key after padding the shorter on the right with zeros (Amazon S3 user guide)."""
    request_id: str | None = None
    host_id: str | None = None
    """`x-amz-id-2`."""
    content_type: str | None = None
    metadata: dict[str, str] = {}
    """User metadata where the store reports it (MinIO, Ceph), names in lower case without `x-amz-meta-`."""
    source: str = ""
    """The ingest source it arrived at; set by ingest, not by the dialect."""


def hops_of(event: ObjectEvent) -> int:
    """How often a function has written this object in answer to its own writing: metadata set by the author's kit."""
    hops = event.metadata.get("ossfn-hops", "")
    return int(hops[:9]) if hops.isascii() and hops.isdecimal() else 0


def places(event: ObjectEvent) -> int:
    """How many places it takes in a bounded queue: one for each 64 KiB, so that large events are held in few."""
    return 1 + memoryview(event.record).nbytes // 65536


def identity(event: ObjectEvent) -> str | None:
    """What two notifications of the same happening share, or None when the record carries nothing to tell by.

    The same (source, bucket, key, event name) with the same sequencer, else with the same version and request id.
    """
    if event.sequencer:
        tail = f"s:{event.sequencer}"
    elif event.request_id:
        tail = f"r:{event.request_id}:{event.version_id or ''}"
    elif event.version_id and event.name.startswith(("s3:ObjectCreated:", "s3:ObjectRemoved:")):
        tail = f"v:{event.version_id}"
    else:
        return None
    return "\n".join((event.source, event.bucket, event.name, tail, event.key))
