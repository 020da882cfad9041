"""The CloudEvents that targets get, read back with the CloudEvents SDK and with a reader of the HTTP binding."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote

import pytest
from cloudevents.conversion import to_structured
from cloudevents.http import CloudEvent, from_http
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from ossfn.adapter import cloudevent
from ossfn.adapter.cloudevent import Mode
from ossfn.adapter.dialects import Decoded, decode
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.formats import render

TESTS = Path(__file__).parent.parent
ADAPTER_CASES = [
    case
    for case in json.loads((TESTS / "cases" / "cloudevents.json").read_text())["adapter_on_captures"]
    if (TESTS / "dialects" / case["capture"]).exists()
]


def captured(path: str) -> list[ObjectEvent]:
    """The events of one captured operation."""
    events: list[ObjectEvent] = []
    for delivery in json.loads((TESTS / "dialects" / path).read_text())["deliveries"]:
        decoded = decode("auto", {}, delivery["body"].encode())
        assert isinstance(decoded, Decoded)
        events += decoded.events
    return events


PUT = captured("juicefs-gateway/03-put.json")[0]
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)


def attributes(event: ObjectEvent, mode: Mode = "safe") -> dict[str, str | int]:
    return cloudevent.attributes(event, "our-id", rule="thumbs", generation=7, mode=mode)


def body_of(format_: str, event: ObjectEvent) -> tuple[dict[str, str], bytes]:
    hopped = replace(event, metadata={**event.metadata, "ossfn-hops": "2"})
    headers, body = render(format_, hopped, "our-id", rule="thumbs", generation=7)
    return dict(headers), body


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"traceparent": PARENT}, {"traceparent": PARENT}),
        ({"traceparent": PARENT, "tracestate": "a=1,b=2"}, {"traceparent": PARENT, "tracestate": "a=1,b=2"}),
        ({"traceparent": PARENT, "tracestate": "猫"}, {"traceparent": PARENT}),
        ({"tracestate": "a=1"}, {}),
        ({"traceparent": PARENT.upper()}, {}),
        ({"traceparent": f"{PARENT}-more"}, {}),
        ({"traceparent": "ff" + PARENT[2:]}, {}),
        ({"traceparent": PARENT.replace("b7ad6b7169203331", "0" * 16)}, {}),
    ],
)
def test_the_trace_of_the_upload_goes_with_the_event(given: dict[str, str], expected: dict[str, str]) -> None:
    named = attributes(replace(PUT, metadata=given))
    assert {name: named[name] for name in ("traceparent", "tracestate") if name in named} == expected


@pytest.mark.parametrize("format_", ["structured", "binary"])
def test_a_trace_passes_through_another_ossfn(format_: str) -> None:
    headers, body = body_of(format_, replace(PUT, metadata={"traceparent": PARENT, "tracestate": "a=1"}))
    decoded = decode("cloudevents", headers, body)
    assert isinstance(decoded, Decoded)
    metadata = decoded.events[0].metadata
    assert (metadata["traceparent"], metadata["tracestate"]) == (PARENT, "a=1")


def test_the_trace_of_the_request_serves_events_that_name_none() -> None:
    one, two = (json.loads(bytes(PUT.record)) for _ in range(2))
    own = PARENT.replace("b7ad", "0000")
    two["s3"]["object"]["userMetadata"] = {"X-Amz-Meta-Traceparent": own}
    body = json.dumps({"Records": [one, two]}).encode()
    for header, expected in ((PARENT, [PARENT, own]), ("nonsense", [None, own])):
        decoded = decode("auto", {"traceparent": header}, body)
        assert isinstance(decoded, Decoded)
        assert [event.metadata.get("traceparent") for event in decoded.events] == expected


def test_every_attribute_of_a_captured_put() -> None:
    named = attributes(PUT)
    request_id, digest = str(named.pop("id")).split(".")
    assert request_id == "18EA692DA3FE9834"
    assert len(digest) == 16
    assert named == {
        "specversion": "1.0",
        "source": "minio:s3..demo-capture",
        "type": "com.amazonaws.s3.ObjectCreated:Put",
        "subject": "docs/hello.txt",
        "time": "2026-11-22T15:57:26.221Z",
        "datacontenttype": "application/json",
        "partitionkey": "demo-capture/docs/hello.txt",
        "sequencer": "18EA692DA4DE8E3B0000000000000000",
        "ossrule": "thumbs",
        "ossgeneration": 7,
        "osshops": 0,
    }


@pytest.mark.parametrize("case", ADAPTER_CASES, ids=lambda case: case["capture"])
def test_strict_mode_is_the_published_table_to_the_letter(case: dict[str, Any]) -> None:
    """What the specification's `aws-s3` adapter gives on real captures; a part that is missing is empty, not `None`."""
    wanted = dict(case["adapter_attributes"])
    wanted["id"] = {"None.None": "our-id"}.get(wanted["id"], wanted["id"].replace("None", ""))
    seen = [attributes(event, "strict") for event in captured(case["capture"])]
    assert wanted in [{name: named[name] for name in wanted} for named in seen]


def test_no_id_is_used_twice_for_the_keys_of_one_delete_objects() -> None:
    """They share request id and host id, which is all that the published table looks at."""
    removed = replace(PUT, name="s3:ObjectRemoved:Delete", sequencer=None, host_id="host")
    events = [replace(removed, key=f"multi/{number}") for number in range(1000)]
    assert len({attributes(event)["id"] for event in events}) == 1000
    assert len({attributes(event, "strict")["id"] for event in events}) == 1


@pytest.mark.parametrize("mode", get_args(Mode))
def test_an_event_without_identity_is_identified_by_us(mode: Mode) -> None:
    nobody = replace(PUT, sequencer=None, request_id=None)
    assert attributes(nobody, mode)["id"] == "our-id"


def test_ids_are_the_same_at_each_attempt_and_in_each_process() -> None:
    assert attributes(PUT)["id"] == attributes(captured("juicefs-gateway/03-put.json")[0])["id"]
    assert attributes(PUT)["id"] == "18EA692DA3FE9834.d089580d4ad5803b"


def test_sequencers_compare_as_text_once_padded() -> None:
    short, long = (attributes(replace(PUT, sequencer=digits))["sequencer"] for digits in ("18ea", "18EA01"))
    assert isinstance(short, str)
    assert short < str(long)
    assert len(short) == len(str(long)) == cloudevent.SEQUENCER_WIDTH


def test_what_is_not_known_is_left_out() -> None:
    assert {"time", "sequencer"}.isdisjoint(attributes(replace(PUT, time="", sequencer=None)))


def read_structured(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    return from_http(dict(headers), body)


def test_the_sdk_reads_structured_mode_and_writes_the_same() -> None:
    headers, body = body_of("structured", PUT)
    event = read_structured(headers, body)
    assert event["subject"] == "docs/hello.txt"
    assert event["osshops"] == 2
    assert event.data == json.loads(bytes(PUT.record))
    assert json.loads(to_structured(event)[1]) == json.loads(body)


def test_the_record_is_passed_on_byte_for_byte() -> None:
    record = b'{"s3": {"object":  {"key":"\\u00e9"}}, "n":1.0e2}'
    event = replace(PUT, record=Raw(record))
    assert body_of("structured", event)[1].endswith(b',"data":' + record + b"}")
    assert body_of("binary", event)[1] == record
    assert body_of("s3-notification", event)[1] == b'{"Records":[' + record + b"]}"


def test_the_sdk_reads_binary_mode() -> None:
    headers, body = body_of("binary", PUT)
    assert headers["content-type"] == "application/json"
    event = from_http(headers, body)
    assert (event["type"], event["subject"]) == ("com.amazonaws.s3.ObjectCreated:Put", "docs/hello.txt")
    assert event.data == json.loads(bytes(PUT.record))


def test_header_values_are_encoded_as_the_http_binding_says() -> None:
    """Space, `"`, `%` and all but printable ASCII; everything else stays readable."""
    key = "".join(map(chr, range(0x21, 0x7F))) + " é€😀\n\x7f"
    headers, _ = body_of("binary", replace(PUT, key=key))
    plain = "".join(map(chr, range(0x21, 0x7F))).replace("%", "%25").replace('"', "%22")
    assert headers["ce-subject"] == plain + "%20%C3%A9%E2%82%AC%F0%9F%98%80%0A%7F"


@given(keys)
def test_any_key_survives_both_modes(key: str) -> None:
    event = replace(PUT, key=key)
    headers, body = body_of("structured", event)
    assert read_structured(headers, body)["subject"] == key
    headers, _ = body_of("binary", event)
    assert headers["ce-subject"].isascii()
    assert unquote(headers["ce-subject"], errors="strict") == key
    assert unquote(headers["ce-partitionkey"], errors="strict") == f"demo-capture/{key}"


def test_another_ossfn_reads_what_is_sent() -> None:
    """Structured, binary and batched: the same event, its hops carried on."""
    ours = captured("ceph-rgw/13-key-unicode.json")[0]
    other = captured("seaweedfs-webhook/16-key-reserved.json")[0]
    one = body_of("structured", ours)[1]
    sent = [body_of("structured", ours), body_of("binary", ours)]
    sent += [({}, cloudevent.batch([one, body_of("structured", other)[1]]))]
    for (headers, body), originals in zip(sent, ([ours], [ours], [ours, other]), strict=True):
        decoded = decode("auto", headers, body)
        assert isinstance(decoded, Decoded)
        for event, original in zip(decoded.events, originals, strict=True):
            assert event.metadata == {**original.metadata, "ossfn-hops": "2"}
            assert replace(event, dialect=original.dialect, metadata=original.metadata) == original


def test_an_unknown_format_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="there is no format 'xml'"):
        body_of("xml", PUT)
