"""Deliveries, redelivery, targets and counts through the JSON API, on outboxes in memory and on disk."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from ossfn.adapter.delivery import Attempt, DeadLetter, PauseTarget, Settlement

from .conftest import RECORD, Api

pytestmark = pytest.mark.parametrize("api", ["memory", "sqlite"], indirect=True)

HOOK = "callback:https://hooks.example.com/a?b=c%20d"


async def test_a_delivery_is_shown_with_its_event_its_tries_and_the_record_as_received(api: Api) -> None:
    delivery_id = await api.keep_dead("a b.txt")
    answer = await api.ask("GET", f"/deliveries/{delivery_id}")
    assert answer.json()["state"] == "dead"
    at = "2023-11-14T22:13:20.000000Z"
    assert answer.json()["attempts"] == [
        {"number": 1, "started_at": at, "seconds": 0.25, "status": 422, "reason": "422: dropped", "answer": "no \ufffd"}
    ]
    assert answer.json()["event"] == {
        "name": "s3:ObjectCreated:Put", "bucket": "photos", "key": "a b.txt", "time": "2026-11-22T15:57:26.221Z",
        "size": 3, "etag": None, "sequencer": None, "dialect": "aws", "source": "", "region": "",
    }  # fmt: skip
    assert b'"record":' + RECORD in answer.content
    (listed,) = (await api.get("/deliveries"))["deliveries"]
    assert listed == {k: v for k, v in answer.json().items() if k not in ("attempts", "record")}
    assert (listed["accepted_at"], listed["settled_at"], listed["redelivery_of"]) == (at, at, "")


async def test_an_unknown_delivery_is_not_found(api: Api, subtests: pytest.Subtests) -> None:
    for delivery_id in ("nothing", "f-1", "f-²", "f-99999999999999999999", "%00", "é"):
        with subtests.test(delivery_id=delivery_id):
            assert (await api.refused("GET", f"/deliveries/{delivery_id}", status=404)).code == "NoSuchDelivery"


FOUND = {
    "": ["late", "hooked", "100%/b", "100/a"],
    "state=dead": ["hooked", "100/a"],
    "state=delivered&bucket=photos": ["100%/b"],
    "bucket=videos": ["late"],
    "prefix=100%25": ["100%/b"],
    "rule=images&prefix=h": ["hooked"],
    "rule=other": [],
    "target=callback:https://hooks.example.com/a?b=c%2520d": ["hooked"],
    "reason=DROP": ["hooked", "100/a"],
    "reason=%25": [],
    "since=2023-11-14T22:13:30Z": ["late"],
    "since=1700000010": ["late"],
    "until=2023-11-15T06:13:30%2B08:00": ["hooked", "100%/b", "100/a"],
    "until=1700000000.5": ["hooked", "100%/b", "100/a"],
    "event_id=none": [],
}


async def test_deliveries_are_found_by_any_part(api: Api, subtests: pytest.Subtests) -> None:
    await api.keep_dead("100/a")
    await api.keep_delivered("100%/b")
    await api.keep_dead("hooked", target=HOOK)
    api.clock.now += 10
    await api.keep("late", bucket="videos")
    for query, keys in FOUND.items():
        with subtests.test(query=query):
            found = await api.get(f"/deliveries?{query}")
            assert [delivery["event"]["key"] for delivery in found["deliveries"]] == keys


async def test_pages_follow_each_other_and_end(api: Api) -> None:
    ids = [await api.keep(f"{n}") for n in range(5)]
    seen: list[str] = []
    page: dict[str, Any] = {"next": 2**63 - 1}
    while page["next"] is not None:
        page = await api.get(f"/deliveries?limit=2&before={page['next']}")
        seen += [delivery["id"] for delivery in page["deliveries"]]
    assert seen == ids[::-1]


NOT_UNDERSTOOD = (
    "stat=dead", "state=lost", "limit=0", "limit=1001", "before=9223372036854775808", "since=2023-11-14",
    "since=2023-11-14T22:13:30+00:00", "since=300000000000", "until=yesterday", f"reason={'x' * 2101}",
)  # fmt: skip


async def test_a_query_that_is_not_understood_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    for query in NOT_UNDERSTOOD:
        with subtests.test(query=query):
            refused = await api.refused("GET", f"/deliveries?{query}")
            assert [fault.field for fault in refused.faults] == [query.partition("=")[0]]


async def test_times_are_given_to_the_microsecond_and_taken_back(api: Api) -> None:
    api.clock.now += 0.123456
    await api.keep("a")
    (found,) = (await api.get("/deliveries"))["deliveries"]
    at = found["accepted_at"]
    assert datetime.fromisoformat(at) == datetime.fromtimestamp(api.clock.now, UTC)
    assert len((await api.get(f"/deliveries?since={at}"))["deliveries"]) == 1
    assert (await api.get(f"/deliveries?until={at}"))["deliveries"] == []


async def test_a_dry_run_counts_what_is_then_sent_again_once(api: Api) -> None:
    for key in ("a/1", "a/2", "b/3"):
        await api.keep_dead(key)
    await api.keep_delivered("a/4")
    assert await redelivered(api, {"prefix": "b/"}) == 1

    assert await redelivered(api, {}, dry_run=True) == 2
    assert await redelivered(api, {"since": "2023-11-14T22:13:20Z", "state": "dead"}, dry_run=True) == 2
    assert await redelivered(api, {}, dry_run=True, limit=1) == 1
    assert (await api.get("/stats"))["pending"] == 1
    assert await redelivered(api, {}) == 2
    assert await redelivered(api, {}, dry_run=True) == 0
    assert await redelivered(api, {}) == 0
    pending = (await api.get("/deliveries?state=pending"))["deliveries"]
    assert {delivery["redelivery_of"].rpartition("-")[2] for delivery in pending} == {"0"}
    assert len(pending) == 3


async def redelivered(api: Api, chosen: dict[str, Any], *, dry_run: bool = False, **more: Any) -> int:
    """How many dead letters were sent again, or would be."""
    body = {"filter": chosen, "dry_run": dry_run, **more}
    answer: dict[str, int] = (await api.ask("POST", "/deliveries:redeliver", body)).json()
    assert answer["redelivered"] == (0 if dry_run else answer["matched"])
    return answer["matched"]


async def test_redelivery_is_paced(api: Api) -> None:
    for n in range(5):
        await api.keep_dead(f"{n}")
    begun = asyncio.get_running_loop().time()
    assert await redelivered(api, {}, rate=20) == 5
    assert asyncio.get_running_loop().time() - begun >= 0.2


async def test_a_paced_redelivery_keeps_to_its_filter(api: Api) -> None:
    await api.keep_dead("a")
    assert await redelivered(api, {"until": 0}, rate=20) == 0


async def test_a_slow_pace_bounds_the_call(api: Api) -> None:
    for n in range(3):
        await api.keep_dead(f"{n}")
    assert await redelivered(api, {}, rate=0.001) == 1


async def test_one_dead_letter_is_sent_again_once(api: Api) -> None:
    delivery_id = await api.keep_dead("a")
    await api.keep_dead("b")
    await api.ask("POST", f"/deliveries/{delivery_id}:redeliver")
    (pending,) = (await api.get("/deliveries?state=pending"))["deliveries"]
    assert pending["redelivery_of"] == delivery_id
    assert (await api.refused("POST", f"/deliveries/{delivery_id}:redeliver", status=409)).code == "NotDead"
    await api.refused("POST", "/deliveries/nothing-1:redeliver", status=404)


async def test_who_asks_for_one_dead_letter_gets_no_other_sent_again(api: Api) -> None:
    first = await api.keep_dead("a")
    await api.ask("POST", f"/deliveries/{first}:redeliver")
    (second,) = await api.claim(limit=9)
    await api.backend.settle([Settlement(second, Attempt(1, api.clock(), 0, 422, "no"), DeadLetter("no"))])
    refused = await api.refused("POST", f"/deliveries/{first}:redeliver", status=409)
    assert "was sent again already" in refused.detail
    assert (await api.get("/stats"))["pending"] == 0
    await api.ask("POST", f"/deliveries/{second.id}:redeliver")
    (pending,) = (await api.get("/deliveries?state=pending"))["deliveries"]
    assert pending["redelivery_of"] == second.id


async def test_what_waits_is_called_off(api: Api) -> None:
    for key in ("a/1", "a/2", "b/3"):
        await api.keep(key)
    counted = await api.ask("POST", "/deliveries:cancel", {"filter": {"prefix": "a/"}, "dry_run": True})
    assert counted.json() == {"matched": 2, "cancelled": 0}
    await api.backend.release(await api.claim(limit=9))
    ended = await api.ask("POST", "/deliveries:cancel", {"filter": {"prefix": "a/"}})
    assert ended.json() == {"matched": 2, "cancelled": 2}
    assert [d["event"]["key"] for d in (await api.get("/deliveries?state=pending"))["deliveries"]] == ["b/3"]


async def test_nothing_happens_without_a_filter_that_is_understood(api: Api, subtests: pytest.Subtests) -> None:
    await api.keep_dead("a")
    await api.keep("b")
    before = await api.get("/stats")
    for path in ("/deliveries:redeliver", "/deliveries:cancel"):
        for body in ({}, {"filter": {"stat": ""}}, {"filter": {}, "limit": 0}, {"filter": {"state": "x"}}):
            with subtests.test(path=path, body=body):
                await api.refused("POST", path, body)
    assert await api.get("/stats") == before


async def test_the_counts_add_up(api: Api) -> None:
    await api.keep_dead("a")
    await api.keep_delivered("b")
    await api.keep("c")
    await redelivered(api, {})
    stats = await api.get("/stats")
    assert stats == {
        "accepted": 4, "delivered": 1, "dead": 1, "pending": 2, "cancelled": 0,
        "events": 3, "unmatched": 0, "duplicates": 0,
    }  # fmt: skip


async def test_targets_show_what_waits_for_them_and_why_they_are_paused(api: Api) -> None:
    await api.keep("c", PauseTarget("410 Gone"))
    await api.keep("a", target=HOOK)
    api.clock.now += 5
    await api.keep("b", target=HOOK)
    hook, thumbs = (await api.get("/targets"))["targets"]
    assert (hook["target"], hook["pending"], hook["oldest_at"]) == (HOOK, 2, "2023-11-14T22:13:20.000000Z")
    assert (hook["paused_reason"], hook["paused_at"]) == ("", None)
    assert (thumbs["target"], thumbs["paused_reason"]) == ("function:thumbs", "410 Gone")


async def test_a_target_is_paused_with_a_reason_and_resumed(api: Api) -> None:
    await api.keep("a", target=HOOK)
    path = "/targets/callback%3Ahttps%3A%2F%2Fhooks.example.com%2Fa%3Fb%3Dc%2520d"
    paused = (await api.ask("POST", f"{path}:pause", {"reason": "moving"})).json()
    assert (paused["target"], paused["pending"], paused["paused_reason"]) == (HOOK, 1, "moving")
    assert paused["paused_at"] == "2023-11-14T22:13:20.000000Z"
    assert (await api.get("/targets"))["targets"] == [paused]
    assert list(await api.claim(limit=1)) == []
    resumed = (await api.ask("POST", f"{path}:resume")).json()
    assert (resumed["paused_reason"], resumed["paused_at"], resumed["pending"]) == ("", None, 1)
    assert (await api.ask("POST", "/targets/function:thumbs:pause")).json()["paused_reason"]
    assert (await api.refused("POST", "/targets/thumbs:pause")).code == "InvalidTarget"


async def test_an_event_is_explained_by_what_became_of_it(api: Api) -> None:
    delivery_id = await api.keep_dead("a")
    await redelivered(api, {})
    event_id = delivery_id.rpartition("-")[0]
    happened = await api.get(f"/explain?event_id={event_id}")
    assert (happened["event_id"], happened["generation"], happened["event"]["key"]) == (event_id, 3, "a")
    newer, older = happened["deliveries"]
    assert (older["id"], older["state"], [attempt["status"] for attempt in older["attempts"]]) == (
        delivery_id,
        "dead",
        [422],
    )
    assert (newer["redelivery_of"], newer["attempts"]) == (delivery_id, [])
    assert (await api.refused("GET", "/explain?event_id=nothing", status=404)).code == "NoSuchEvent"


async def test_the_next_page_is_asked_for_by_its_name(api: Api) -> None:
    (fault,) = (await api.refused("GET", "/deliveries?next=7")).faults
    assert (fault.field, "`before`" in fault.advice) == ("next", True)


async def test_a_recount_says_the_same_as_the_counters(api: Api) -> None:
    await api.keep_dead("a")
    await api.keep_delivered("b")
    await api.keep("c")
    assert await api.get("/stats?recount=true") == (stats := await api.get("/stats"))
    assert [stats[name] for name in ("accepted", "delivered", "dead", "pending")] == [3, 1, 1, 1]
