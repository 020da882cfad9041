"""The S3 event record (versions 2.0 to 2.3), the shape that Amazon made and MinIO, Ceph and others copied.

The copies differ in how they write the key; `Store` says how. A record stays byte for byte what it was.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from ossfn.adapter.dialects.decoded import NotDecodable
from ossfn.adapter.dialects.fields import Size, Text, check_key, real, user_metadata, utc
from ossfn.adapter.dialects.notification import fields
from ossfn.adapter.events import ObjectEvent
from ossfn.trigger_registry.event_names import canonical


@dataclass(frozen=True, slots=True)
class Store:
    """One store's spelling of the S3 record."""

    dialect: str
    decode_key: Callable[[str], str]


class _Pair(msgspec.Struct, frozen=True):
    key: str
    val: str


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    key: str
    size: Size | None = None
    e_tag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    content_type: str | None = None
    user_metadata: dict[str, str] | None = None
    metadata: list[_Pair] | dict[str, str] | None = None


class _Bucket(msgspec.Struct, frozen=True):
    name: Text


class _S3(msgspec.Struct, frozen=True):
    bucket: _Bucket
    object: _Object


class _Response(msgspec.Struct, frozen=True):
    request_id: str | None = msgspec.field(name="x-amz-request-id", default=None)
    host_id: str | None = msgspec.field(name="x-amz-id-2", default=None)


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    event_name: Text
    s3: _S3
    event_source: str = ""
    event_time: str | None = None
    aws_region: str | None = None
    response_elements: _Response | None = None


_read = msgspec.json.Decoder(_Record)
_NO_RESPONSE = _Response()
_BUCKET_EVENTS = ("s3:BucketCreated", "s3:BucketRemoved")


def decode(raw: Raw, store_of: Callable[[str], Store]) -> ObjectEvent | str:
    """Read one record, spelled as `store_of(eventSource)` says; a string says why it is no object event."""
    record = fields(_read, raw)
    store = store_of(record.event_source)
    name = canonical(record.event_name)
    if name.startswith(_BUCKET_EVENTS):
        return f"{name} is about a bucket, not an object"
    thing = record.s3.object
    response = record.response_elements or _NO_RESPONSE
    return ObjectEvent(
        name,
        record.s3.bucket.name,
        _key(thing.key, store),
        utc(record.event_time, "eventTime"),
        store.dialect,
        record.event_source or "s3",  # Huawei OBS leaves it out
        raw.copy(),  # a part of the body would keep the whole body in memory
        region=record.aws_region or "",
        raw_key=thing.key,
        raw_name=record.event_name,
        size=thing.size,
        etag=thing.e_tag or None,
        version_id=real(thing.version_id),
        sequencer=real(thing.sequencer),
        request_id=real(response.request_id),
        host_id=response.host_id or None,
        content_type=_content_type(thing),
        metadata=_metadata(thing),
    )


def _key(raw_key: str, store: Store) -> str:
    try:
        key = store.decode_key(raw_key)
    except UnicodeDecodeError as error:
        raise NotDecodable("s3.object.key", "not UTF-8 once its %XX are decoded") from error
    check_key(key, "s3.object.key")
    return key


def _content_type(thing: _Object) -> str | None:
    return thing.content_type or (thing.user_metadata or {}).get("content-type") or None


def _metadata(thing: _Object) -> dict[str, str]:
    """User metadata: a mapping from MinIO, a list of pairs from Ceph, nothing from Amazon."""
    given = thing.user_metadata or thing.metadata
    if not given:
        return {}
    pairs = given.items() if isinstance(given, dict) else [(pair.key, pair.val) for pair in given]
    return user_metadata(pairs)
