"""JD Cloud's two bodies for an object event of any store: the HTTP callback and the function's event. Pure.

Sources: JD Cloud OSS, "Callback Notification"; JD Cloud Function Service, "OSS trigger" (its published template).
"""

from base64 import b64encode
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import msgspec
import orjson
from msgspec import Raw

from ossfn.adapter.events import ObjectEvent

_Json = dict[str, Any]

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_NOTHING = Raw(b"")


def callback(event: ObjectEvent) -> bytes:
    """The body that JD Cloud OSS posts to a callback address."""
    record = event.record
    return _records(
        {
            "eventVersion": "1.0",
            "eventSource": "oss",
            "awsRegion": event.region,
            "eventTime": _rfc_1123(event.time),
            "eventName": event.name,
            "userIdentity": {"principalId": _text(record, "userIdentity", "principalId")},
            "requestParameters": {"sourceIPAddress": _text(record, "requestParameters", "sourceIPAddress")},
            "responseElements": {"x-amz-request-id": event.request_id or ""},
            "s3": _s3(event, record, {}),
            "callBackVar": _callback_variables(record),
        }
    )


def function_event(event: ObjectEvent, event_id: str) -> bytes:
    """The event that JD Cloud Function Service hands to a handler."""
    record = event.record
    owner = _owner(record)
    detail = {
        "eventName": event.name,
        "responseElements": {"x-amz-request-id": event.request_id or ""},
        "s3": _s3(event, record, {"size": event.size or 0, "type": event.content_type or ""}),
        "callBackVar": _callback_variables(record),
    }
    return _records(
        {
            "version": "0",
            "id": event_id,
            "time": event.time,
            "source": "oss",
            "base64OwnerPin": b64encode(owner.encode()).decode(),
            "resources": [f"jrn:oss:{event.region}:{owner}:{event.bucket}/{event.key}"],
            "region": event.region,
            "detailType": "MessageReceived",
            "detail": detail,
        }
    )


def _records(record: _Json) -> bytes:
    return orjson.dumps({"Records": [record]})


def _s3(event: ObjectEvent, record: Raw, more: _Json) -> _Json:
    return {
        "s3SchemaVersion": "1.0",
        "configurationId": _text(record, "s3", "configurationId"),
        "bucket": {"name": event.bucket, "ownerIdentity": {"principalId": _owner(record)}},
        "object": {"key": event.key, "eTag": event.etag or "", **more},
    }


def _owner(record: Raw) -> str:
    return _text(record, "s3", "bucket", "ownerIdentity", "principalId")


def _callback_variables(record: Raw) -> orjson.Fragment:
    """What the uploader put into `x-oss-callback-` parameters; only what came from JD has it."""
    variables = _at(record, "original", "callBackVar") or _at(record, "original", "detail", "callBackVar")
    return orjson.Fragment(variables or b'{"callBackVars":{}}')


def _text(record: Raw, *path: str) -> str:
    try:
        return msgspec.json.decode(_at(record, *path), type=str)
    except msgspec.DecodeError:
        return ""


def _at(record: Raw, *path: str) -> bytes:
    """The JSON of a member deep inside the record, of which only what routes it was ever read; empty when not there."""
    for name in path:
        try:
            record = _members(record).get(name, _NOTHING)
        except (msgspec.DecodeError, RecursionError):
            return b""
    return bytes(record)


def _rfc_1123(time: str) -> str:
    return format_datetime(datetime.fromisoformat(time), usegmt=True) if time else ""
