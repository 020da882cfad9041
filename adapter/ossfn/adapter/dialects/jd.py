"""JD Cloud OSS: what it posts to a callback address, and what its Function Service gives to a function.

Sources: JD Cloud OSS, "Callback Notification" (callback); JD Cloud Function Service, "OSS trigger" (event and sample).
No document says that keys are encoded, so they are plain.
"""

from base64 import b64encode
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ossfn.adapter.dialects.decoded import Confirmation, Decoded
from ossfn.adapter.dialects.fields import Digits, Size, Text, utc
from ossfn.adapter.dialects.made_record import Happening, make
from ossfn.adapter.dialects.notification import Notification, fields
from ossfn.adapter.dialects.records import decode_records
from ossfn.adapter.events import ObjectEvent
from ossfn.trigger_registry.event_names import canonical

# The documentation's prose says the one, its Java sample the other.
_CONFIRMATIONS = ("SubscriptionConfirmation", "SubscriptionConfiguration")


class _Principal(msgspec.Struct, frozen=True, rename="camel"):
    principal_id: str = ""


class _Bucket(msgspec.Struct, frozen=True, rename="camel"):
    name: Text
    owner_identity: _Principal = _Principal()


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    key: str
    e_tag: str | None = None
    size: Size | Digits | None = None
    type: str | None = None


class _S3(msgspec.Struct, frozen=True, rename="camel"):
    bucket: _Bucket
    object: _Object
    configuration_id: str = ""


class _Response(msgspec.Struct, frozen=True):
    request_id: str | None = msgspec.field(name="x-amz-request-id", default=None)


class _Request(msgspec.Struct, frozen=True):
    address: str = msgspec.field(name="sourceIPAddress", default="")


class _Happened(msgspec.Struct, frozen=True, rename="camel"):
    """What both shapes hold: the callback's record, the function event's `detail`."""

    event_name: Text
    s3: _S3
    response_elements: _Response = _Response()


class _Callback(_Happened, frozen=True, rename="camel"):
    event_time: str = ""
    aws_region: str = ""
    user_identity: _Principal = _Principal()
    request_parameters: _Request = _Request()


class _FunctionEvent(msgspec.Struct, frozen=True):
    detail: _Happened
    time: str = ""
    region: str = ""


_read_callback = msgspec.json.Decoder(_Callback)
_read_function_event = msgspec.json.Decoder(_FunctionEvent)


def confirmation(headers: Mapping[str, str], body: bytes) -> Confirmation | None:
    """Whether JD asks if this address wants notifications: it is told so by the base64 of its message."""
    if headers.get("x-jdcloud-message-type") not in _CONFIRMATIONS:
        return None
    return Confirmation("jd", answer=b64encode(body))


def decode_callback(notification: Notification) -> Decoded:
    """The events that OSS posts."""
    return decode_records(notification, _callback)


def decode_function_event(notification: Notification) -> Decoded:
    """The events that Function Service hands over; `version` 0 or "0", `size` a number or text."""
    return decode_records(notification, _function_event)


def _callback(raw: Raw) -> ObjectEvent:
    record = fields(_read_callback, raw)
    return _event(
        raw,
        record,
        dialect="jd",
        place="s3",
        time=utc(record.event_time, "eventTime"),
        region=record.aws_region,
        principal=record.user_identity.principal_id,
        address=record.request_parameters.address,
    )


def _function_event(raw: Raw) -> ObjectEvent:
    record = fields(_read_function_event, raw)
    time = utc(record.time, "time")
    return _event(raw, record.detail, dialect="jd-function", place="detail.s3", time=time, region=record.region)


def _event(
    raw: Raw,
    happened: _Happened,
    *,
    dialect: str,
    place: str,
    time: str,
    region: str,
    principal: str = "",
    address: str = "",
) -> ObjectEvent:
    thing = happened.s3.object
    happening = Happening(
        name=canonical(happened.event_name),
        bucket=happened.s3.bucket.name,
        key=thing.key,
        time=time,
        region=region,
        size=None if thing.size is None else int(thing.size),
        etag=thing.e_tag,
        request_id=happened.response_elements.request_id,
        content_type=thing.type,
        configuration_id=happened.s3.configuration_id,
        principal=principal,
        owner=happened.s3.bucket.owner_identity.principal_id,
        address=address,
    )
    return make(happening, dialect=dialect, event_source="oss", original=raw, key_place=f"{place}.object.key")
