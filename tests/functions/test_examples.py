"""Made-up events are read by ingest as what they say, and reach a function as ingest would have sent them."""

import json
from typing import Any

import orjson
import pytest
from cloudevents.http import from_json

from ossfn.adapter import cloudevent
from ossfn.adapter.dialects import Decoded, decode
from ossfn.functions.examples import HAPPENINGS, STORES, Example, cloud_event, notification
from ossfn.functions.kit import ObjectEvent

KEYS = ["a.txt", "图/a b+c&100%.jpg", "100%25", "a/b//c", "'\"\\<>"]
EXAMPLES = [
    Example(store=store, happening=happening, key=key, number=number)
    for store in STORES
    for happening in HAPPENINGS
    for number, key in enumerate(KEYS, start=1)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.store}-{e.happening}-{e.number}")
def test_ingest_makes_the_same_event_of_the_notification(example: Example) -> None:
    decoded = decode("auto", {}, json.dumps(notification(example)).encode())
    assert isinstance(decoded, Decoded)
    [event] = decoded.events
    assert (event.key, event.bucket, event.dialect) == (example.key, example.bucket, example.store)

    named = cloudevent.attributes(event, "x", rule="example", generation=1)
    sent: dict[str, Any] = orjson.loads(cloudevent.structured(named, bytes(event.record)))
    assert {**sent, "id": ""} == {**cloud_event(example), "id": ""}


@pytest.mark.parametrize("example", EXAMPLES[:: len(KEYS)], ids=lambda e: f"{e.store}-{e.happening}")
def test_the_kit_reads_it(example: Example) -> None:
    event = ObjectEvent.read(from_json(json.dumps(cloud_event(example))))
    assert event.key == example.key
    tells_no_size = example.store == "jd" or (example.happening == "delete" and event.store.endswith(":s3"))
    assert event.size == (None if tells_no_size else example.size)


def test_a_bucket_of_tencent_may_carry_its_account() -> None:
    example = Example(store="tencent", bucket="photos-1253970026", key="a")
    decoded = decode("auto", {}, json.dumps(notification(example)).encode())
    assert isinstance(decoded, Decoded)
    assert [(event.bucket, event.key) for event in decoded.events] == [("photos-1253970026", "a")]


def test_examples_are_told_apart() -> None:
    assert len({cloud_event(Example(number=number))["id"] for number in range(9)}) == 9
