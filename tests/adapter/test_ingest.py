"""A notification becomes entries in the log, all of them or none."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ossfn.adapter.backend import Query
from ossfn.adapter.backends.memory import MemoryBackend
from ossfn.adapter.dialects import Confirmation, NotDecodable
from ossfn.adapter.ingest import Ingest, Receipt, Source
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import Callback, FunctionRef, KeyFilter, Rule
from ossfn.trigger_registry.stores.sql import SqlRuleStore

NOW = 1_800_000_000.0


class Everywhere:
    """Every function exists, in Beijing."""

    def region_of(self, name: str) -> str | None:
        """Where it is."""
        return "cn-north-1"


@pytest.fixture
def registry(tmp_path: Path) -> Any:
    """Rules for one bucket: pictures to a function, texts to two callbacks."""
    registry = Registry(
        SqlRuleStore(f"sqlite:///{tmp_path / 'r.db'}"),
        Everywhere(),
        clock=lambda: NOW,
        new_name=itertools.count(1).__repr__,
    )
    registry.open()
    registry.put_bucket("photos", actor="test")
    registry.put_rules(
        "photos",
        [
            Rule("pictures", ("s3:ObjectCreated:*",), KeyFilter("in/", ".jpg"), (FunctionRef("thumbs"),)),
            Rule(
                "texts",
                ("s3:ObjectCreated:Put",),
                KeyFilter("", ".txt"),
                (Callback("http://a/"), Callback("http://b/")),
            ),
        ],
        actor="test",
    )
    yield registry
    registry.close()


def record(key: str, name: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "cn-north-1",
        "eventTime": "2026-11-22T15:57:26.221Z", "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "photos"}, "object": {"key": key, "size": 1, **more}},
    }  # fmt: skip


def notification(*records: Mapping[str, Any]) -> bytes:
    return json.dumps({"Records": records}).encode()


@pytest.fixture
def log() -> MemoryBackend:
    """Where entries go."""
    return MemoryBackend(clock=lambda: NOW)


@pytest.fixture
def ingest(log: MemoryBackend, registry: Registry) -> Ingest:
    """The main path over real rules."""
    ids = itertools.count(1)
    return Ingest(log, registry.match, clock=lambda: NOW, new_id=lambda: f"{next(ids):032x}")


async def test_each_record_meets_the_rules(ingest: Ingest, log: MemoryBackend) -> None:
    body = notification(record("in/%E7%8C%AB+1.jpg"), record("notes/a.txt"), record("other.bin"))
    assert await ingest.accept(Source("auto"), {}, body) == Receipt(events=3, deliveries=3, duplicates=0, ignored=())
    found, _ = await log.find(Query(), limit=10)
    assert sorted((d.target, d.rule, d.event.key, d.generation) for d in found) == [
        ("callback:http://a/", "texts", "notes/a.txt", 2),
        ("callback:http://b/", "texts", "notes/a.txt", 2),
        ("function:thumbs", "pictures", "in/猫 1.jpg", 2),
    ]
    assert (await log.stats()).unmatched == 1


async def test_one_bad_record_refuses_the_whole_notification(ingest: Ingest, log: MemoryBackend) -> None:
    with pytest.raises(NotDecodable) as fault:
        await ingest.accept(Source("auto"), {}, notification(record("in/a.jpg"), record("")))
    assert fault.value.place == "Records[1].s3.object.key"
    assert (await log.stats()).events == 0


async def test_a_repeated_notification_is_taken_once(ingest: Ingest, log: MemoryBackend) -> None:
    body = notification(record("in/a.jpg", sequencer="00AB"))
    assert await ingest.accept(Source("auto"), {}, body) == Receipt(1, 1, 0, ())
    assert await ingest.accept(Source("auto"), {}, body) == Receipt(0, 0, 1, ())
    assert (await ingest.accept(Source("other"), {}, body)) == Receipt(1, 1, 0, ())  # another source, another event
    assert (await log.stats()).accepted == 2


async def test_the_source_gives_the_region_that_a_record_lacks(ingest: Ingest, log: MemoryBackend) -> None:
    nowhere = record("in/a.jpg") | {"awsRegion": ""}
    await ingest.accept(Source("minio", region="cn-east-2"), {}, notification(nowhere, record("in/b.jpg")))
    found, _ = await log.find(Query(), limit=10)
    assert {d.event.key: d.event.region for d in found} == {"in/a.jpg": "cn-east-2", "in/b.jpg": "cn-north-1"}
    assert {d.event.source for d in found} == {"minio"}


async def test_a_test_event_is_taken_and_calls_nobody(ingest: Ingest, log: MemoryBackend) -> None:
    body = json.dumps(
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-22T15:37:29Z", "Bucket": "photos"}
    )
    receipt = await ingest.accept(Source("auto"), {}, body.encode())
    assert isinstance(receipt, Receipt)
    assert (receipt.events, len(receipt.ignored)) == (0, 1)
    assert (await log.stats()).events == 0


async def test_a_confirmation_is_handed_back(ingest: Ingest) -> None:
    answer = await ingest.accept(Source("jd"), {"x-jdcloud-message-type": "SubscriptionConfirmation"}, b"hello")
    assert answer == Confirmation(kind="jd", answer=b"aGVsbG8=")


async def test_an_ordered_rule_gives_each_key_an_order(registry: Registry, ingest: Ingest, log: MemoryBackend) -> None:
    rule = Rule(
        "in-order",
        ("s3:ObjectCreated:*",),
        KeyFilter("o/", ""),
        (FunctionRef("thumbs"),),
        ordered=True,
        drop_stale=True,
    )
    registry.put_rules("photos", [rule], actor="test")
    late, early = record("o/k", sequencer="0A01"), record("o/k", sequencer="0A")
    await ingest.accept(Source("auto"), {}, notification(late, record("o/other", sequencer="01"), early))
    claimed = await log.claim(limit=10, room={}, default_room=10)
    assert sorted((d.event.key, d.event.sequencer) for d in claimed) == [("o/k", "0A"), ("o/other", "01")]


async def test_an_event_that_has_come_round_too_often_is_a_dead_letter(ingest: Ingest, log: MemoryBackend) -> None:
    for hops in (16, 17):
        looped = record(f"in/{hops}.jpg", userMetadata={"X-Amz-Meta-Ossfn-Hops": str(hops)})
        looped["eventSource"] = "minio:s3"
        await ingest.accept(Source("minio"), {}, notification(looped))
    found, _ = await log.find(Query(), limit=10)
    assert {d.event.key: (d.state, d.reason[:10]) for d in found} == {
        "in/16.jpg": ("pending", ""),
        "in/17.jpg": ("dead", "loop: a fu"),
    }


async def test_a_key_that_calls_a_function_too_often_is_held_for_the_rest_of_the_minute(
    registry: Registry, log: MemoryBackend
) -> None:
    now, ids = [NOW], itertools.count(1)
    ingest = Ingest(log, registry.match, clock=lambda: now[0], new_id=lambda: f"{next(ids):032x}")
    for n in range(20):
        for key in ("in/a.jpg", "t.txt", f"in/{n}.jpg"):
            await ingest.accept(Source("auto"), {}, notification(record(key, sequencer=f"{n + 1:04x}")))
    dead, _ = await log.find(Query(state="dead"), limit=100)
    assert [d.event.key for d in dead] == ["in/a.jpg"] * 4  # callbacks are not functions
    assert dead[0].reason == "loop: this key has called function:thumbs 16 times within a minute"
    now[0] += 60
    await ingest.accept(Source("auto"), {}, notification(record("in/a.jpg", sequencer="ff")))
    newest, _ = await log.find(Query(), limit=1)
    assert newest[0].state == "pending"
