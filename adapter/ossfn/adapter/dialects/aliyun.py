"""Aliyun OSS: the events it hands to Function Compute and, as a simplified MNS message, to an HTTP endpoint.

Source: Alibaba Cloud OSS, "Event notification" and Function Compute, "OSS triggers" (documented shape, not captured).
Keys are plain. The names are those of OSS's calls; the ones that S3 has a name for get that.
"""

import msgspec
from msgspec import Raw

from ossfn.adapter.dialects.decoded import Decoded
from ossfn.adapter.dialects.fields import Size, Text, utc
from ossfn.adapter.dialects.made_record import Happening, make
from ossfn.adapter.dialects.notification import Notification, fields
from ossfn.adapter.dialects.records import decode_all
from ossfn.adapter.events import ObjectEvent
from ossfn.trigger_registry.event_names import canonical

_NAMES = {
    "ObjectCreated:PutObject": "s3:ObjectCreated:Put",
    "ObjectCreated:PostObject": "s3:ObjectCreated:Post",
    "ObjectCreated:CopyObject": "s3:ObjectCreated:Copy",
    "ObjectRemoved:DeleteObject": "s3:ObjectRemoved:Delete",
    "ObjectRemoved:DeleteObjects": "s3:ObjectRemoved:Delete",
    "ObjectDownloaded:GetObject": "s3:ObjectAccessed:Get",
}
_UNFINISHED = ("InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "AbortMultipartUpload")


class _Bucket(msgspec.Struct, frozen=True):
    name: Text


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    key: str
    size: Size | None = None
    e_tag: str | None = None


class _Oss(msgspec.Struct, frozen=True, rename="camel"):
    bucket: _Bucket
    object: _Object
    rule_id: str = ""


class _Principal(msgspec.Struct, frozen=True, rename="camel"):
    principal_id: str = ""


class _Request(msgspec.Struct, frozen=True):
    address: str = msgspec.field(name="sourceIPAddress", default="")


class _Response(msgspec.Struct, frozen=True, rename="camel"):
    request_id: str | None = None


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    event_name: Text
    oss: _Oss
    event_time: str = ""
    region: str = ""
    user_identity: _Principal = _Principal()
    request_parameters: _Request = _Request()
    response_elements: _Response = _Response()


class _Body(msgspec.Struct, frozen=True):
    events: list[Raw]


_read_body = msgspec.json.Decoder(_Body)
_read = msgspec.json.Decoder(_Event)


def decode(notification: Notification) -> Decoded:
    """The members of `events`."""
    return decode_all(fields(_read_body, notification.body).events, "events", _decode)


def _decode(raw: Raw) -> ObjectEvent | str:
    event = fields(_read, raw)
    name = event.event_name.removeprefix("oss:")
    if name.endswith(_UNFINISHED):
        return f"{name} is a step of an upload, not an object"
    thing = event.oss.object
    happening = Happening(
        name=_NAMES.get(name, canonical(name)),
        bucket=event.oss.bucket.name,
        key=thing.key,
        time=utc(event.event_time, "eventTime"),
        region=event.region,
        size=thing.size,
        etag=thing.e_tag,
        request_id=event.response_elements.request_id,
        configuration_id=event.oss.rule_id,
        principal=event.user_identity.principal_id,
        address=event.request_parameters.address,
    )
    return make(happening, dialect="aliyun", event_source="acs:oss", original=raw, key_place="oss.object.key")
