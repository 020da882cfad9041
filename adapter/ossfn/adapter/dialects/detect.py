"""Which dialect a notification is in, told by what no other one has; for sources whose dialect is `auto`."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ossfn.adapter.dialects import cloudevents, gcs
from ossfn.adapter.dialects.decoded import NotDecodable
from ossfn.adapter.dialects.notification import Notification, fields, text


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    """The members of a record that tell the formats apart."""

    event_source: str = ""
    detail: Raw | UnsetType = UNSET
    original: Raw | UnsetType = UNSET
    cos: Raw | UnsetType = UNSET


_read = msgspec.json.Decoder(_Record)


def detect(notification: Notification) -> str:
    """The dialect's name; `s3` for the S3 record, whose `eventSource` says more. NotDecodable when none fits."""
    top = notification.top
    if top.specversion is not UNSET or notification.is_array or cloudevents.is_binary(notification.headers):
        kind = notification.headers.get("ce-type") or text(top.type)
        return "gcs" if kind.startswith(gcs.TYPE_PREFIX) else "cloudevents"
    if top.Records is not None:
        return _detect_record(top.Records)
    if text(top.Event) == "s3:TestEvent":
        return "s3"
    if top.Type is not UNSET:
        return "sns"
    if top.detail_type is not UNSET:
        return "eventbridge"
    if top.event_type is not UNSET:
        return "seaweedfs"
    if top.events is not UNSET:
        return "aliyun"
    if top.message is not UNSET:
        return "gcs"
    raise NotDecodable("$", "no notification of a store that is known; does the source name the right dialect?")


def _detect_record(records: list[Raw]) -> str:
    if not records:
        return "s3"
    try:
        record = fields(_read, records[0])
    except NotDecodable as error:
        raise error.inside("Records[0]") from error
    if record.detail is not UNSET:
        return "jd-function"
    if record.cos is not UNSET:
        return "tencent"
    # Records that ossfn made from JD's carry the original, and are spelled as Amazon's.
    if record.event_source == "oss" and record.original is UNSET:
        return "jd"
    return "s3"
