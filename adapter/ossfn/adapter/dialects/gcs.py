"""Google Cloud Storage: Pub/Sub push requests, and the CloudEvents of Eventarc.

Sources: Cloud Storage, "Pub/Sub notifications" and "Objects" (the resource); google-cloudevents, `StorageObjectData`
(documented shapes, not captured). Keys are plain. A generation is a number that grows with each write of a key: it is
the version and, in hexadecimal, the sequencer.
"""

from base64 import b64decode

import msgspec
from msgspec import UNSET, Raw

from ossfn.adapter.dialects.decoded import Decoded, NotDecodable
from ossfn.adapter.dialects.fields import Digits, Text, utc
from ossfn.adapter.dialects.made_record import Happening, make
from ossfn.adapter.dialects.notification import Notification, fields

TYPE_PREFIX = "google.cloud.storage.object.v1."
_NAMES = {
    "OBJECT_FINALIZE": "s3:ObjectCreated:Put",
    "OBJECT_DELETE": "s3:ObjectRemoved:Delete",
    "OBJECT_ARCHIVE": "s3:ObjectRemoved:DeleteMarkerCreated",
    "finalized": "s3:ObjectCreated:Put",
    "deleted": "s3:ObjectRemoved:Delete",
    "archived": "s3:ObjectRemoved:DeleteMarkerCreated",
}
_METADATA = ("OBJECT_METADATA_UPDATE", "metadataUpdated")


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    """An object of the JSON API; numbers are text there."""

    bucket: str = ""
    name: str = ""
    generation: Digits | None = None
    size: Digits | None = None
    etag: str | None = None
    content_type: str | None = None
    metadata: dict[str, str] = {}


class _Attributes(msgspec.Struct, frozen=True, rename="camel"):
    event_type: Text
    bucket_id: Text
    object_id: str
    object_generation: Digits | None = None
    event_time: str = ""
    overwritten_by_generation: str = ""


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    attributes: _Attributes
    data: str = ""
    message_id: str | None = None


class _Push(msgspec.Struct, frozen=True):
    message: _Message


class _CloudEvent(msgspec.Struct, frozen=True):
    type: Text
    id: Text
    data: Raw
    time: str = ""


_read_push = msgspec.json.Decoder(_Push)
_read_resource = msgspec.json.Decoder(_Resource)
_read_cloud_event = msgspec.json.Decoder(_CloudEvent)


def decode(notification: Notification) -> Decoded:
    """The one event."""
    if notification.top.message is not UNSET:
        return _pushed(notification)
    headers = notification.headers
    if "ce-type" in headers:
        time, body = headers.get("ce-time", ""), Raw(notification.body)
        return _cloud_event(_CloudEvent(headers["ce-type"], headers.get("ce-id", ""), body, time), "", notification)
    return _cloud_event(fields(_read_cloud_event, notification.body), "data.", notification)


def _pushed(notification: Notification) -> Decoded:
    message = fields(_read_push, notification.body).message
    attributes = message.attributes
    if attributes.overwritten_by_generation:
        return Decoded((), (f"{attributes.object_id}: overwritten, which the new generation tells itself",))
    resource = _payload(message.data)
    resource = msgspec.structs.replace(
        resource,
        bucket=attributes.bucket_id,
        name=attributes.object_id,
        generation=attributes.object_generation or resource.generation,
    )
    time = utc(attributes.event_time, "message.attributes.eventTime")
    place = "message.attributes.objectId"
    return _event(attributes.event_type, resource, time, message.message_id, place, notification)


def _payload(data: str) -> _Resource:
    """The object's resource; the payload format `NONE` sends none."""
    try:
        return fields(_read_resource, b64decode(data, validate=True) or b"{}")
    except (NotDecodable, ValueError) as error:
        raise NotDecodable("message.data", "not an object's resource in base64") from error


def _cloud_event(event: _CloudEvent, place: str, notification: Notification) -> Decoded:
    resource = fields(_read_resource, event.data)
    if not resource.bucket:
        raise NotDecodable(f"{place}bucket", "missing")
    kind = event.type.removeprefix(TYPE_PREFIX)
    return _event(kind, resource, utc(event.time, "time"), event.id, f"{place}name", notification)


def _event(
    kind: str, resource: _Resource, time: str, request_id: str | None, place: str, notification: Notification
) -> Decoded:
    if kind in _METADATA:
        return Decoded((), (f"{resource.name}: only its metadata changed",))
    if kind not in _NAMES:
        raise NotDecodable("$", f"no event of Cloud Storage: {kind[:64]!r}")
    happening = Happening(
        name=_NAMES[kind],
        bucket=resource.bucket,
        key=resource.name,
        time=time,
        size=None if resource.size is None else int(resource.size),
        etag=resource.etag,
        version_id=resource.generation,
        sequencer=None if resource.generation is None else f"{int(resource.generation):016X}",
        request_id=request_id,
        content_type=resource.content_type,
        metadata=resource.metadata,
    )
    made = make(happening, dialect="gcs", event_source="gcs", original=notification.body, key_place=place)
    return Decoded((made,))
