"""Events read from CloudEvents made of what real stores sent; ingest's own reading of it is the oracle."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from cloudevents.http import CloudEvent, from_http

from ossfn.adapter import cloudevent, events
from ossfn.adapter.cloudevent import Mode
from ossfn.adapter.dialects import Decoded, NotDecodable, decode
from ossfn.adapter.formats import render
from ossfn.functions.kit import Drop, ObjectEvent

CAPTURES = Path(__file__).parents[2] / "dialects"


def captured() -> Iterator[events.ObjectEvent]:
    """Every event that some store sent."""
    for path in sorted(CAPTURES.rglob("*.json")):
        if path.name.endswith(".expected.json"):
            continue
        dialect = "ceph" if "ceph" in path.parts[-2] else "auto"
        dialect = "minio-listen" if "minio-listen" in path.parts[-2] else dialect
        for delivery in json.loads(path.read_text())["deliveries"]:
            headers = {name.lower(): value for name, value in delivery["headers"].items()}
            try:
                decoded = decode(dialect, headers, delivery["body"].encode())
            except NotDecodable:
                continue
            yield from decoded.events if isinstance(decoded, Decoded) else ()


EVENTS = list(captured())


def sent(event: events.ObjectEvent, kind: str = "structured", mode: Mode = "safe") -> CloudEvent:
    """The CloudEvent as a handler gets it."""
    headers, body = render(kind, event, "e1", rule="r1", generation=7, mode=mode)
    return from_http(dict(headers), body)


def test_there_is_much_to_read() -> None:
    assert len({event.dialect for event in EVENTS}) > 8
    assert len(EVENTS) > 150


@pytest.mark.parametrize("mode", ["safe", "strict"])
@pytest.mark.parametrize("kind", ["structured", "binary"])
def test_keys_and_names_are_what_ingest_read(kind: str, mode: Mode) -> None:
    for event in EVENTS:
        read = ObjectEvent.read(sent(event, kind, mode))
        assert (read.key, read.bucket, read.name) == (event.key, event.bucket, event.name), event


def test_everything_else_is_what_the_store_said() -> None:
    for event in EVENTS:
        read = ObjectEvent.read(sent(event))
        record = json_of(event)
        assert (read.size, read.store, read.region) == (
            event.size, record.get("eventSource", ""), record.get("awsRegion") or ""
        )  # fmt: skip
        assert (read.etag, read.metadata, read.rule, read.hops) == (event.etag, event.metadata, "r1", 0)
        assert read.record == record
        assert (read.time.timestamp() if read.time else 0) == pytest.approx(seconds(event.time), abs=0.001)


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp() if time else 0


def json_of(event: events.ObjectEvent) -> Any:
    return json.loads(bytes(event.record))


def test_the_hops_in_the_object_s_own_metadata_count_too() -> None:
    record = {
        "eventSource": "minio:s3",
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "k", "userMetadata": {"X-Amz-Meta-Ossfn-Hops": "4"}}},
    }
    attributes = {"type": "com.amazonaws.s3.ObjectCreated:Put", "source": "s", "osshops": "1"}

    event = ObjectEvent.read(CloudEvent(attributes, record))

    assert event.hops == 4
    assert event.hop() == {"ossfn-hops": "5"}


def test_a_sender_without_a_partition_key_is_read_by_the_store_s_rule() -> None:
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {}}}
    record["s3"]["object"]["key"] = "a+b%2B.txt"  # type: ignore[index]
    event = ObjectEvent.read(CloudEvent({"type": "other", "source": "s"}, record))
    assert (event.key, event.name) == ("a b+.txt", "s3:ObjectCreated:Put")


@pytest.mark.parametrize("data", [None, "text", {}, {"s3": {"bucket": {"name": "b"}, "object": {"key": "%FF"}}}])
def test_what_is_about_no_object_is_dropped_with_a_reason(data: Any) -> None:
    with pytest.raises(Drop, match=r"no object event: com\.example"):
        ObjectEvent.read(CloudEvent({"type": "com.example", "source": "s"}, data))


def test_the_names_of_the_attributes_are_ours() -> None:
    named = cloudevent.attributes(EVENTS[0], "e", rule="r", generation=1)
    assert {"ossrule", "osshops", "partitionkey"} <= named.keys()


def test_it_opens_the_very_version_with_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.stub import Stubber

    from ossfn.functions.kit import events as kit_events

    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(kit_events, "_s3", lambda: client)
    with Stubber(client) as store:
        store.add_response("get_object", {}, {"Bucket": "b", "Key": "图/ +", "VersionId": "v1"})
        with pytest.raises(KeyError, match="Body"):
            ObjectEvent(id="1", source="s", name="n", bucket="b", key="图/ +", version_id="v1").open()
        store.assert_no_pending_responses()
