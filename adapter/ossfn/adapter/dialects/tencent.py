"""Tencent COS: the event that it hands to a cloud function.

Source: Tencent Cloud SCF, "COS trigger" (documented shape, not captured). `key` is `/<appid>/<bucket>/<key>`, the key
plain; the bucket's full name, by which it is addressed, is `<name>-<appid>`.
"""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Raw

from ossfn.adapter.dialects.decoded import Decoded, NotDecodable
from ossfn.adapter.dialects.fields import Digits, Size, Text, rfc_3339, user_metadata, utc
from ossfn.adapter.dialects.made_record import Happening, make
from ossfn.adapter.dialects.notification import Notification, fields
from ossfn.adapter.dialects.records import decode_records
from ossfn.adapter.events import ObjectEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Bucket(msgspec.Struct, frozen=True, rename="camel"):
    name: Text
    appid: str = ""
    region: str = ""
    cos_region: str = ""


class _Object(msgspec.Struct, frozen=True):
    key: str
    size: Size | Digits | None = None
    meta: dict[str, str] = {}
    vid: str | None = None


class _Cos(msgspec.Struct, frozen=True, rename="camel"):
    cos_bucket: _Bucket
    cos_object: _Object
    cos_notification_id: str = ""


class _Request(msgspec.Struct, frozen=True):
    address: str = msgspec.field(name="requestSourceIP", default="")


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    event_name: Text
    event_time: int | str = ""
    """Unix seconds."""
    request_parameters: _Request = _Request()


class _Record(msgspec.Struct, frozen=True):
    cos: _Cos
    event: _Event


_read = msgspec.json.Decoder(_Record)


def decode(notification: Notification) -> Decoded:
    """The events in `Records`."""
    return decode_records(notification, _decode)


def _decode(raw: Raw) -> ObjectEvent:
    record = fields(_read, raw)
    bucket, thing = record.cos.cos_bucket, record.cos.cos_object
    meta = {name.lower(): value for name, value in thing.meta.items()}
    happening = Happening(
        name=_name(record.event.event_name),
        bucket=f"{bucket.name}-{bucket.appid}" if bucket.appid else bucket.name,
        key=thing.key.removeprefix(f"/{bucket.appid}/{bucket.name}/").removeprefix("/"),
        time=_time(record.event.event_time),
        region=bucket.cos_region or bucket.region,
        size=None if thing.size is None else int(thing.size),
        etag=meta.get("etag", "").strip('"'),
        version_id=thing.vid,
        request_id=meta.get("x-cos-request-id"),
        content_type=meta.get("content-type"),
        metadata=user_metadata(meta.items(), "x-cos-meta-"),
        configuration_id=record.cos.cos_notification_id,
        address=record.event.request_parameters.address,
    )
    return make(happening, dialect="tencent", event_source="qcs::cos", original=raw, key_place="cos.cosObject.key")


def _name(name: str) -> str:
    """`cos:ObjectRemove:Delete` as S3 says it."""
    return "s3:" + name.removeprefix("cos:").replace("ObjectRemove:", "ObjectRemoved:")


def _time(given: int | str) -> str:
    if isinstance(given, str):
        return utc(given, "event.eventTime")
    try:
        return rfc_3339(_EPOCH + timedelta(seconds=given))
    except OverflowError as error:
        raise NotDecodable("event.eventTime", "not a time") from error
