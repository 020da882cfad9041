"""What `decode` refuses and where it says the fault is, how dialects read keys, and that nothing makes it crash."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossfn.adapter.dialects import DIALECTS, Decoded, NotDecodable, decode
from ossfn.adapter.dialects.fields import PLACEHOLDERS
from ossfn.adapter.dialects.records import MAX_RECORDS
from ossfn.adapter.events import ObjectEvent, identity

HERE = Path(__file__).parent
CASES = HERE.parent / "cases"
BODIES = [
    delivery["body"].encode()
    for path in sorted(HERE.rglob("0*.json"))
    if not path.name.endswith(".expected.json")
    for delivery in json.loads(path.read_text())["deliveries"]
]

JSON_BODIES = [body for body in BODIES if body.startswith(b"{")]


def record(**changes: Any) -> dict[str, Any]:
    """An S3 record; `s3.object.key="x"` is given as `**{"s3.object.key": "x"}`, and None takes a member out."""
    made: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-22T15:57:26.221Z",
        "eventName": "ObjectCreated:Put",
        "responseElements": {"x-amz-request-id": "4442587FB7D0A2F9", "x-amz-id-2": "host"},
        "s3": {"bucket": {"name": "demo"}, "object": {"key": "a.txt", "size": 1, "sequencer": "00635A7B1C3F"}},
    }
    for path, value in changes.items():
        *parents, name = path.split(".")
        place = made
        for parent in parents:
            place = place[parent]
        place[name] = value
        if value is None:
            del place[name]
    return made


def notification(*records: Any) -> bytes:
    return json.dumps({"Records": records}).encode()


def events(body: bytes, dialect: str = "auto") -> tuple[ObjectEvent, ...]:
    decoded = decode(dialect, {}, body)
    assert isinstance(decoded, Decoded)
    return decoded.events


def fault(body: bytes, dialect: str = "auto") -> str:
    with pytest.raises(NotDecodable) as caught:
        decode(dialect, {}, body)
    assert caught.value.reason
    return caught.value.place


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"eventName": None}, "eventName"),
        ({"eventName": 3}, "eventName"),
        ({"eventName": ""}, "eventName"),
        ({"eventSource": 3}, "eventSource"),
        ({"s3": None}, "s3"),
        ({"s3": []}, "s3"),
        ({"s3.bucket.name": None}, "s3.bucket.name"),
        ({"s3.bucket.name": ""}, "s3.bucket.name"),
        ({"s3.object.key": None}, "s3.object.key"),
        ({"s3.object.key": 7}, "s3.object.key"),
        ({"s3.object.key": ""}, "s3.object.key"),
        ({"s3.object.key": "é" * 512 + "x"}, "s3.object.key"),
        ({"s3.object.key": "%FF"}, "s3.object.key"),
        ({"s3.object.key": "%ED%A0%80"}, "s3.object.key"),
        ({"s3.object.size": -1}, "s3.object.size"),
        ({"s3.object.size": "1"}, "s3.object.size"),
        ({"s3.object.size": 2**63}, "s3.object.size"),
        ({"s3.object.size": 1.5}, "s3.object.size"),
        ({"eventTime": "yesterday"}, "eventTime"),
        ({"eventTime": "2026-02-30T00:00:00Z"}, "eventTime"),
        ({"eventTime": "0001-01-01T00:00:00+01:00"}, "eventTime"),
        ({"eventTime": "2026-11-22T15:57:26,221Z"}, "eventTime"),
    ],
)
def test_one_bad_record_refuses_the_notification_and_is_named(changes: dict[str, Any], place: str) -> None:
    assert fault(notification(record(), record(), record(**changes))) == f"Records[2].{place}"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "$"),
        (b"hello", "byte 0"),
        (b"\xef\xbb\xbf{}", "byte 0"),
        (b'{"Records":[', "$"),
        (b'{"Records":[NaN]}', "byte 12"),
        (b'{"Records":[]}', "Records"),
        (b'{"Records":{}}', "Records"),
        (b'{"Records":null}', "$"),
        (b'{"Records":[3]}', "Records[0]"),
        (b'{"hello":"world"}', "$"),
        (b'"text"', "$"),
        (b"[]", "$"),
        (b'[{"specversion":"1.0"}]', "$[0].data"),
        (b'{"specversion":"1.0","data":{"hello":1}}', "data.eventName"),
        (notification(record()).replace(b"a.txt", b"a\xff.txt"), f"byte {notification(record()).index(b'a.txt') + 1}"),
        (
            notification(record()).replace(b"us-east-1", b"us\xff"),
            f"byte {notification(record()).index(b'us-east-1') + 2}",
        ),
        (b'{"Records":["\\ud800 is half a character"]}', "byte 19"),
    ],
)
def test_a_body_that_is_no_notification_is_refused_with_the_place(body: bytes, place: str) -> None:
    assert fault(body) == place


def test_the_number_of_records_is_bounded_and_named() -> None:
    assert len(events(notification(*[record()] * MAX_RECORDS))) == MAX_RECORDS
    with pytest.raises(NotDecodable, match="10000 in one notification, at most 1000 are taken"):
        decode("aws", {}, notification(*[record()] * 10_000))


@pytest.mark.parametrize(("opening", "item"), [(b'{"Records":[', b"1"), (b"[", b"{}"), (b'{"Records":[', b'{"s3":1}')])
@pytest.mark.parametrize("dialect", ["auto", "aws", "cloudevents"])
def test_a_body_of_many_small_values_takes_little_memory(dialect: str, opening: bytes, item: bytes) -> None:
    body = opening + b",".join([item] * (6_000_000 // (len(item) + 1))) + {b"{": b"]}", b"[": b"]"}[opening[:1]]
    tracemalloc.start()
    fault(body, dialect)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2 * len(body)


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotDecodable, match="there is no dialect 'azure'; known: auto, s3, aws"):
        decode("azure", {}, b"{}")


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"Records":[{"s3":{"object":'])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_deep_nesting_is_refused_at_once(dialect: str, opening: bytes) -> None:
    started = time.perf_counter()
    fault(opening * 10_000, dialect)
    closing = {b"[": b"]", b'{"a":': b"1}" + b"}" * 9_999}.get(opening, b"")
    fault(opening * 10_000 + (closing * 10_000 if closing == b"]" else closing), dialect)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "case", json.loads((CASES / "url_encoding.json").read_text())["cases"], ids=lambda c: c["key"][:20]
)
def test_each_store_s_spelling_of_a_key_decodes_to_the_key(case: dict[str, Any]) -> None:
    wire: dict[str, str] = case["on_the_wire"]
    sources = {"juicefs-gateway": "minio:s3", "ceph-rgw": "ceph:s3", "localstack-sqs": "aws:s3"}
    sources |= {"moto-sqs": "aws:s3", "ministack-sqs": "aws:s3"}
    spellings = {sources[store]: wire[store] for store in sources if store in wire} | {
        "somebody:else": case["aws_expected"]
    }
    for source, spelling in spellings.items():
        assert events(notification(record(eventSource=source, **{"s3.object.key": spelling})))[0].key == case["key"]
    for store in {"moto-eventbridge", "ministack-eventbridge"} & wire.keys():
        detail = {"bucket": {"name": "b"}, "object": {"key": wire[store]}, "reason": "PutObject"}
        body = json.dumps({"detail-type": "Object Created", "detail": detail}).encode()
        assert events(body)[0].key == case["key"]


def test_a_named_dialect_decides_how_the_key_is_read() -> None:
    """Ceph before release 15 calls itself `aws:s3`."""
    body = notification(record(**{"s3.object.key": "a+b%2Fc"}))
    assert [events(body, name)[0].key for name in ("auto", "aws", "minio", "ceph", "minio-listen")] == [
        "a b/c", "a b/c", "a b/c", "a+b%2Fc", "a+b%2Fc"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("top_key", "key"), [("demo/a+b", "a+b"), ("demo/a b", "a b"), ("other", "a b"), (3, "a b"), (None, "a b")]
)
def test_the_plain_key_that_minio_sends_beside_the_records_proves_a_plain_one(top_key: Any, key: str) -> None:
    body = {"Key": top_key, "Records": [record(eventSource="minio:s3", **{"s3.object.key": "a+b"})]}
    assert events(json.dumps(body).encode())[0].key == key


def test_what_happened_to_a_bucket_is_ignored() -> None:
    body = notification(record(eventName="s3:BucketCreated:*", **{"s3.object.key": ""}), record())
    decoded = decode("minio", {}, body)
    assert isinstance(decoded, Decoded)
    assert [event.key for event in decoded.events] == ["a.txt"]
    assert decoded.ignored == ("s3:BucketCreated:* is about a bucket, not an object",)


@pytest.mark.parametrize("placeholder", [text for text in PLACEHOLDERS if text != "null"])
def test_a_placeholder_identifies_nothing(placeholder: str) -> None:
    changes = {"s3.object.sequencer": placeholder, "responseElements": {"x-amz-request-id": placeholder}}
    body = notification(record(**changes, **{"s3.object.versionId": "null"}))
    (event,) = events(body)
    assert (event.sequencer, event.request_id, event.version_id) == (None, None, None)
    assert identity(event) is None
    assert bytes(event.record) in body


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026-11-22T15:57:26.221Z", "2026-11-22T15:57:26.221Z"),
        ("2026-11-22T15:57:26.123456789Z", "2026-11-22T15:57:26.123456789Z"),
        ("2026-11-22T15:57:26z", "2026-11-22T15:57:26Z"),
        ("2026-11-22T15:57:26", "2026-11-22T15:57:26Z"),
        ("2026-11-22 23:57:26+08:00", "2026-11-22T15:57:26Z"),
        ("Mon, 06 Aug 2018 10:19:51 GMT", "2018-08-06T10:19:51Z"),
        ("", ""),
        (None, ""),
    ],
)
def test_times_become_rfc_3339_in_utc(given: str | None, read: str) -> None:
    assert events(notification(record(eventTime=given)))[0].time == read


def test_members_that_a_store_writes_as_null_are_absent() -> None:
    changes = {"awsRegion": None, "responseElements": None}
    body = notification(record(**changes) | changes)
    (event,) = events(body)
    assert (event.region, event.request_id, event.host_id) == ("", None, None)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_notifications_are_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    """Cut short, bytes changed, other bytes put in."""
    body = bytearray(data.draw(st.sampled_from(BODIES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        match data.draw(st.sampled_from(["cut", "change", "insert"])):
            case "cut":
                del body[at : at + data.draw(st.integers(1, 40))]
            case "change" if at < len(body):
                body[at] = data.draw(st.integers(0, 255))
            case _:
                body[at:at] = data.draw(
                    st.sampled_from([b"{", b"]", b'"', b"\\", b"null", b"1e999", b"\xff", b"\\u0000"])
                )
    _refused_or_read(bytes(body), data.draw(st.sampled_from(DIALECTS)))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**30, 10**40) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_members_of_other_types_are_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    """Any member, however deep, becomes some other JSON."""
    document = json.loads(data.draw(st.sampled_from(JSON_BODIES)))
    place: Any = document
    while isinstance(place, dict | list) and place:
        name = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[name], dict | list) or not place[name] or data.draw(st.integers(0, 3)) == 0:
            place[name] = data.draw(_JSON)
            break
        place = place[name]
    _refused_or_read(json.dumps(document).encode(), data.draw(st.sampled_from(DIALECTS)))


def _refused_or_read(body: bytes, dialect: str) -> None:
    try:
        result = decode(dialect, {}, body)
    except NotDecodable:
        return
    for event in result.events if isinstance(result, Decoded) else ():
        assert event.key
        assert event.bucket
        json.loads(bytes(event.record))
