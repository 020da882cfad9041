"""The bodies that are not CloudEvents: S3's notification and JD Cloud's two."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ossfn.adapter import jd_formats
from ossfn.adapter.dialects import Decoded, decode
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.formats import render

DIALECTS = Path(__file__).parent.parent / "dialects"


def case(path: str) -> tuple[bytes, ObjectEvent]:
    """The body of a notification kept for the dialects' tests, and its event."""
    body = json.loads((DIALECTS / path).read_text())["deliveries"][0]["body"].encode()
    decoded = decode("auto", {}, body)
    assert isinstance(decoded, Decoded)
    return body, decoded.events[0]


def rendered(format_: str, event: ObjectEvent) -> tuple[dict[str, str], Any]:
    headers, body = render(format_, event, "our-id", rule="r", generation=1)
    return dict(headers), json.loads(body)


@pytest.mark.parametrize(
    "path",
    [
        "ceph-rgw/14-key-plus.json",
        "juicefs-gateway/14-key-plus.json",
        "seaweedfs-webhook/14-key-plus.json",
        "moto/sqs-and-eventbridge/14-key-plus.json",
    ],
)
def test_an_s3_notification_reads_back_as_the_same_event(path: str) -> None:
    _, event = case(path)
    headers, body = render("s3-notification", event, "our-id", rule="r", generation=1)
    assert headers == [("content-type", "application/json")]
    decoded = decode("auto", {}, body)
    assert isinstance(decoded, Decoded)
    assert replace(decoded.events[0], dialect=event.dialect) == event


def test_a_callback_of_jd_s_own_event_is_the_callback_that_jd_sent() -> None:
    body, event = case("jd/01-put.json")
    headers, callback = rendered("jd-notification", event)
    assert headers == {"content-type": "application/json", "x-jdcloud-message-type": "Notification"}
    assert callback == json.loads(body)


def test_a_callback_of_another_store_s_event_has_jd_s_shape() -> None:
    _, event = case("ceph-rgw/13-key-unicode.json")
    _, callback = rendered("jd-notification", event)
    decoded = decode("jd", {}, json.dumps(callback).encode())
    assert isinstance(decoded, Decoded)
    (read,) = decoded.events
    assert (read.name, read.bucket, read.key, read.etag) == (event.name, event.bucket, event.key, event.etag)
    assert read.time == event.time[:19] + "Z"
    (sample,) = json.loads(case("jd/01-put.json")[0])["Records"]
    assert _shape(callback["Records"][0]) == _shape({**sample, "callBackVar": {"callBackVars": {}}})


def test_the_function_event_of_jd_s_own_event_is_the_one_that_jd_gave() -> None:
    body, event = case("jd-function/02-template.json")
    (given,) = json.loads(jd_formats.function_event(event, "our-id"))["Records"]
    (template,) = json.loads(body)["Records"]
    template["detail"]["s3"]["object"]["size"] = 12  # the template has it as text, the published sample as a number
    template |= {"id": "our-id", "base64OwnerPin": "dQ==", "resources": ["jrn:oss:cn-north-1:u:bucketname/a+b%20c"]}
    assert given == template


@pytest.mark.parametrize(
    "record", [b"{}", b'{"original":3,"s3":[],"userIdentity":null}', b'{"original":{"detail":[]}}']
)
def test_a_record_that_lacks_what_jd_tells_leaves_it_empty(record: bytes) -> None:
    """An event was accepted: whatever else its record holds, it can be delivered."""
    _, event = case("aws/01-versions.json")
    bare = replace(event, record=Raw(record), time="", etag=None, request_id=None)
    (callback,) = rendered("jd-notification", bare)[1]["Records"]
    assert callback["userIdentity"] == {"principalId": ""}
    assert callback["eventTime"] == ""
    assert callback["callBackVar"] == {"callBackVars": {}}
    assert json.loads(jd_formats.function_event(bare, "our-id"))["Records"][0]["base64OwnerPin"] == ""


def _shape(value: Any) -> Any:
    return {name: _shape(member) for name, member in value.items()} if isinstance(value, dict) else type(value)
