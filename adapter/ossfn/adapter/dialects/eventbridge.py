"""S3 events as Amazon EventBridge sends them to an API destination: one event, kebab-case names, the key plain.

Source: Amazon S3 user guide, "EventBridge event message structure" and "Using EventBridge". LocalStack encodes keys
here, which Amazon does not; they are taken as they come, for a key that Amazon sends may look just like that.
"""

import msgspec

from ossfn.adapter.dialects.decoded import Decoded, NotDecodable
from ossfn.adapter.dialects.fields import Size, Text, utc
from ossfn.adapter.dialects.made_record import Happening, make
from ossfn.adapter.dialects.notification import Notification, fields

_CREATED = {
    "PutObject": "s3:ObjectCreated:Put",
    "POST Object": "s3:ObjectCreated:Post",
    "PostObject": "s3:ObjectCreated:Post",  # LocalStack
    "CopyObject": "s3:ObjectCreated:Copy",
    "CompleteMultipartUpload": "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:CompleteMultipartUpload": "s3:ObjectCreated:CompleteMultipartUpload",  # LocalStack
}
_DELETED = {
    ("DeleteObject", "Permanently Deleted"): "s3:ObjectRemoved:Delete",
    ("DeleteObject", "Delete Marker Created"): "s3:ObjectRemoved:DeleteMarkerCreated",
    ("Lifecycle Expiration", "Permanently Deleted"): "s3:LifecycleExpiration:Delete",
    ("Lifecycle Expiration", "Delete Marker Created"): "s3:LifecycleExpiration:DeleteMarkerCreated",
}
_OTHER = {
    "Object Restore Initiated": "s3:ObjectRestore:Post",
    "Object Restore Completed": "s3:ObjectRestore:Completed",
    "Object Restore Expired": "s3:ObjectRestore:Delete",
    "Object Storage Class Changed": "s3:LifecycleTransition",
    "Object Access Tier Changed": "s3:IntelligentTiering",
    "Object ACL Updated": "s3:ObjectAcl:Put",
    "Object Tags Added": "s3:ObjectTagging:Put",
    "Object Tags Deleted": "s3:ObjectTagging:Delete",
}


class _Object(msgspec.Struct, frozen=True, rename="kebab"):
    key: str
    size: Size | None = None
    etag: str | None = None
    e_tag: str | None = msgspec.field(name="eTag", default=None)  # moto
    version_id: str | None = None
    sequencer: str | None = None


class _Bucket(msgspec.Struct, frozen=True):
    name: Text


class _Detail(msgspec.Struct, frozen=True, rename="kebab"):
    bucket: _Bucket
    object: _Object
    request_id: str | None = None
    requester: str = ""
    source_ip_address: str = ""
    reason: str = ""
    deletion_type: str = ""


class _Event(msgspec.Struct, frozen=True, rename="kebab"):
    detail_type: str
    detail: _Detail
    time: str = ""
    region: str = ""


_read = msgspec.json.Decoder(_Event)


def decode(notification: Notification) -> Decoded:
    """The one event."""
    event = fields(_read, notification.body)
    detail, thing = event.detail, event.detail.object
    happening = Happening(
        name=_name(event.detail_type, detail),
        bucket=detail.bucket.name,
        key=thing.key,
        time=utc(event.time, "time"),
        region=event.region,
        size=thing.size,
        etag=thing.etag or thing.e_tag,
        version_id=thing.version_id,
        sequencer=thing.sequencer,
        request_id=detail.request_id,
        principal=detail.requester,
        address=detail.source_ip_address,
    )
    made = make(
        happening,
        dialect="eventbridge",
        event_source="aws:s3",
        original=notification.body,
        key_place="detail.object.key",
    )
    return Decoded((made,))


def _name(detail_type: str, detail: _Detail) -> str:
    """The name in S3's own notification of the same; moto's reasons do not tell, then it is the commonest."""
    if detail_type == "Object Created":
        return _CREATED.get(detail.reason, "s3:ObjectCreated:Put")
    if detail_type == "Object Deleted":
        return _DELETED.get((detail.reason, detail.deletion_type), "s3:ObjectRemoved:Delete")
    if detail_type in _OTHER:
        return _OTHER[detail_type]
    raise NotDecodable("detail-type", f"no event of Amazon S3: {detail_type[:64]!r}")
