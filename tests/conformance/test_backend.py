"""Every promise of `backend.py`, on every engine."""

import itertools
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from ossfn.adapter.backend import Backend, BackendUnavailable, Query
from ossfn.adapter.delivery import (
    Attempt,
    Circuit,
    DeadLetter,
    Delivered,
    Delivery,
    Entry,
    NewDelivery,
    NextStep,
    Order,
    PauseTarget,
    RetryAt,
    Settlement,
)
from ossfn.adapter.events import ObjectEvent

from .conftest import Engine

_ids = itertools.count(1)


def an_event(key: str = "a.txt", bucket: str = "photos", **more: Any) -> ObjectEvent:
    return ObjectEvent(
        name="s3:ObjectCreated:Put",
        bucket=bucket,
        key=key,
        time="2026-11-22T15:57:26.221Z",
        dialect="aws",
        event_source="aws:s3",
        record=msgspec.Raw(b'{"s3":{"object":{"key":"a.txt"}},"odd":1e400}'),
        **more,
    )


def an_entry(
    *targets: str, key: str = "a.txt", identity: str | None = None, event_id: str = "", at: float = 0
) -> Entry:
    event_id = event_id or f"{next(_ids):032x}"
    deliveries = tuple(
        NewDelivery(id=f"{event_id}-{n}", target=target, rule="all", format="structured")
        for n, target in enumerate(targets)
    )
    return Entry(event_id, an_event(key), at or 1_800_000_000.0, 7, identity, deliveries)


async def claim(backend: Backend, limit: int = 100, default_room: int = 100, **room: int) -> list[Delivery]:
    return list(await backend.claim(limit=limit, room=room, default_room=default_room))


def settlement(delivery: Delivery, step: NextStep, reason: str = "", status: int | None = 200) -> Settlement:
    tried = Attempt(delivery.attempt, 1_800_000_000.0, 0.25, status, reason, b"sorry" if reason else b"")
    return Settlement(delivery, tried, step)


async def settle(backend: Backend, delivery: Delivery, step: NextStep, reason: str = "") -> None:
    await backend.settle([settlement(delivery, step, reason, 503 if reason else 200)])


async def balance(backend: Backend) -> dict[str, int]:
    """The counts, after checking that nothing is missing and that tables and counters agree."""
    s = await backend.stats()
    assert s.accepted == s.delivered + s.dead + s.pending + s.cancelled
    r = await backend.recount()
    assert (r.accepted, r.delivered, r.dead, r.pending, r.cancelled) == (
        s.accepted, s.delivered, s.dead, s.pending, s.cancelled,
    )  # fmt: skip
    return {"delivered": s.delivered, "dead": s.dead, "pending": s.pending, "cancelled": s.cancelled}


async def test_one_delivery_for_each_target(backend: Backend) -> None:
    assert await backend.append([an_entry("function:a", "callback:http://b/")]) == [True]
    claimed = await claim(backend)
    assert sorted(d.target for d in claimed) == ["callback:http://b/", "function:a"]
    assert {d.attempt for d in claimed} == {1}
    assert len({d.id for d in claimed}) == 2
    assert {d.generation for d in claimed} == {7}


async def test_the_event_comes_back_as_it_was_put(engine: Engine, backend: Backend) -> None:
    entry = an_entry("function:a", key="图片/猫 +%2F.jpg")
    await backend.append([entry])
    first = (await claim(backend))[0]
    assert first.event == entry.event
    assert bytes(first.event.record) == bytes(entry.event.record)
    await settle(backend, first, RetryAt(engine.clock.now), "HTTP 503")
    again = (await claim(backend))[0]  # this one was read back from storage
    assert again.event == entry.event
    assert again.attempt == 2
    assert again.id == first.id


async def test_append_is_safe_to_repeat(backend: Backend) -> None:
    entry = an_entry("function:a")
    assert await backend.append([entry]) == [True]
    assert await backend.append([entry, entry]) == [False, False]
    assert len(await claim(backend)) == 1
    assert await balance(backend) == {"delivered": 0, "dead": 0, "pending": 1, "cancelled": 0}


async def test_a_duplicate_inside_the_window_changes_nothing(engine: Engine, backend: Backend) -> None:
    first, second, third = (an_entry("function:a", identity="same") for _ in range(3))
    assert await backend.append([first, second]) == [True, False]
    engine.clock.now += 3599
    assert await backend.append([an_entry("function:a", identity="same")]) == [False]
    assert (await backend.stats()).duplicates == 2
    engine.clock.now += 2
    later = Entry(third.event_id, third.event, engine.clock.now, 7, "same", third.deliveries)
    assert await backend.append([later]) == [True]
    # A claim may give less than there is: what was just committed first, what waits on disk next time.
    assert len([*await claim(backend), *await claim(backend)]) == 2


async def test_events_without_identity_are_never_duplicates(backend: Backend) -> None:
    assert await backend.append([an_entry("function:a"), an_entry("function:a")]) == [True, True]


async def test_a_claim_holds_for_its_lease_and_no_longer(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    assert [d.attempt for d in await claim(backend)] == [1]
    engine.clock.now += 59
    assert await claim(backend) == []
    engine.clock.now += 2
    assert [d.attempt for d in await claim(backend)] == [2]


async def test_a_late_settlement_changes_no_state_but_is_recorded(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    (slow,) = await claim(backend)
    engine.clock.now += 61
    (current,) = await claim(backend)
    await settle(backend, slow, DeadLetter("too late"), "too late")
    assert (await balance(backend))["pending"] == 1
    await settle(backend, current, Delivered())
    assert await balance(backend) == {"delivered": 1, "dead": 0, "pending": 0, "cancelled": 0}
    assert [a.number for a in await backend.attempts_of(current.id)] == [1, 2]


async def test_settling_twice_counts_once(backend: Backend) -> None:
    await backend.append([an_entry("function:a"), an_entry("function:a")])
    one, two = await claim(backend)
    await backend.settle([settlement(one, Delivered()), settlement(one, Delivered()), settlement(two, Delivered())])
    assert (await balance(backend))["delivered"] == 2


async def test_a_retry_waits_for_its_time(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    (delivery,) = await claim(backend)
    await settle(backend, delivery, RetryAt(engine.clock.now + 30), "HTTP 503")
    engine.clock.now += 29
    assert await claim(backend) == []
    engine.clock.now += 2
    assert [d.attempt for d in await claim(backend)] == [2]


async def test_a_dead_letter_never_comes_back_by_itself(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    (delivery,) = await claim(backend)
    await settle(backend, delivery, DeadLetter("HTTP 404"), "HTTP 404")
    engine.clock.now += 10_000_000
    assert await claim(backend) == []
    found, _ = await backend.find(Query(state="dead"), limit=10)
    assert [(d.id, d.reason, d.attempt) for d in found] == [(delivery.id, "HTTP 404", 1)]
    (tried,) = await backend.attempts_of(delivery.id)
    assert (tried.status, tried.reason, tried.answer, tried.seconds) == (503, "HTTP 404", b"sorry", 0.25)


async def test_waiting_retries_do_not_hold_up_a_fresh_delivery(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a") for _ in range(1200)])
    claimed = await claim(backend, limit=1200, default_room=1200)
    while len(claimed) < 1200:
        claimed += await claim(backend, limit=1200, default_room=1200)
    await backend.settle([settlement(d, RetryAt(engine.clock.now + 600), "HTTP 503") for d in claimed])
    await backend.append([an_entry("function:a", key="fresh")])
    assert [d.event.key for d in await claim(backend)] == ["fresh"]


async def test_no_more_than_there_is_room_for(backend: Backend) -> None:
    await backend.append([an_entry("function:a", "function:b") for _ in range(20)])
    claimed = await claim(backend, default_room=5, **{"function:a": 2})
    assert Counter(d.target for d in claimed) == {"function:a": 2, "function:b": 5}
    assert len(await claim(backend, limit=4, default_room=100)) == 4


async def test_targets_take_turns(backend: Backend) -> None:
    await backend.append([an_entry("function:busy") for _ in range(50)])
    await backend.append([an_entry("function:quiet")])
    assert "function:quiet" in {d.target for d in await claim(backend, limit=10)}


async def test_what_had_no_room_comes_when_there_is(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a") for _ in range(5000)])
    seen: set[str] = set()
    for _ in range(200):
        for delivery in await claim(backend, limit=64, default_room=64):
            seen.add(delivery.id)
            await settle(backend, delivery, Delivered())
        if len(seen) == 5000:
            break
    assert len(seen) == 5000
    assert await balance(backend) == {"delivered": 5000, "dead": 0, "pending": 0, "cancelled": 0}


async def test_a_released_claim_is_due_at_once_and_uncounted(backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    await backend.release(await claim(backend))
    assert [d.attempt for d in await claim(backend)] == [1]


async def test_a_paused_target_gets_nothing_until_resumed(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a", "function:b"), an_entry("function:a")])
    await backend.pause("function:a", "by hand")
    await backend.append([an_entry("function:a")])
    assert [d.target for d in await claim(backend)] == ["function:b"]
    assert [(t.target, t.paused_reason) for t in await backend.paused_targets()] == [("function:a", "by hand")]
    await backend.resume("function:a")
    assert len(await claim(backend)) == 3
    assert await backend.paused_targets() == []


async def test_a_pausing_step_keeps_the_delivery_and_stops_its_target(backend: Backend) -> None:
    await backend.append([an_entry("function:a"), an_entry("function:a")])
    one, two = await claim(backend)
    await settle(backend, one, PauseTarget("HTTP 410"), "HTTP 410")
    await backend.release([two])
    assert await claim(backend) == []
    assert (await balance(backend))["pending"] == 2
    assert [t.paused_reason for t in await backend.paused_targets()] == ["HTTP 410"]
    await backend.resume("function:a")
    assert sorted(d.attempt for d in await claim(backend)) == [1, 2]


async def test_a_late_410_pauses_nobody(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    (slow,) = await claim(backend)
    engine.clock.now += 61
    (current,) = await claim(backend)
    await settle(backend, slow, PauseTarget("HTTP 410"), "HTTP 410")
    assert await backend.paused_targets() == []
    await settle(backend, current, Delivered())
    assert (await balance(backend))["delivered"] == 1


async def test_a_410_leaves_the_reason_of_an_older_pause(backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    (delivery,) = await claim(backend)
    await backend.pause("function:a", "unverified")
    await settle(backend, delivery, PauseTarget("HTTP 410"), "HTTP 410")
    assert [t.paused_reason for t in await backend.paused_targets()] == ["unverified"]


async def test_a_clock_that_was_ahead_puts_nothing_off_for_long(engine: Engine) -> None:
    if not engine.durable:
        pytest.skip("this backend lives and dies with its process")
    first = engine.new()
    await first.open()
    engine.clock.now += 365 * 86400
    await first.append([an_entry("function:a", at=engine.clock.now)])
    await settle(first, (await claim(first))[0], RetryAt(engine.clock.now + 600), "HTTP 503")
    await first.close()
    engine.clock.now -= 365 * 86400
    second = engine.new()
    await second.open()
    assert [d.attempt for d in await claim(second)] == [2]
    await second.close()


async def test_redelivery_makes_a_new_delivery_that_names_the_old(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a", key="x/1"), an_entry("function:a", key="y/1")])
    for delivery in await claim(backend):
        await settle(backend, delivery, DeadLetter("HTTP 404"), "HTTP 404")
    assert await backend.redeliver(Query(prefix="x/"), limit=100) == 1
    assert await backend.redeliver(Query(prefix="x/"), limit=100) == 0  # once
    (delivery,) = await claim(backend)
    record = await backend.get(delivery.id)
    assert record is not None
    assert (record.event.key, record.attempt) == ("x/1", 1)
    old = await backend.get(record.redelivery_of)
    assert old is not None
    assert (old.state, old.event_id) == ("dead", record.event_id)
    await settle(backend, delivery, Delivered())
    assert await balance(backend) == {"delivered": 1, "dead": 2, "pending": 0, "cancelled": 0}


async def test_new_deliveries_are_kept_after_a_redelivery(backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    await settle(backend, (await claim(backend))[0], DeadLetter("HTTP 404"), "HTTP 404")
    assert await backend.redeliver(Query(), limit=10) == 1
    assert await backend.append([an_entry("function:a"), an_entry("function:b")]) == [True, True]
    assert len({d.id for d in [*await claim(backend), *await claim(backend)]}) == 3


async def test_cancel_ends_what_waits_but_not_what_is_being_tried(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a"), an_entry("function:b")])
    tried = {d.target: d for d in await claim(backend)}
    await settle(backend, tried["function:a"], RetryAt(engine.clock.now + 60), "HTTP 503")
    assert await backend.cancel(Query(), limit=100) == 1
    assert await balance(backend) == {"delivered": 0, "dead": 0, "pending": 1, "cancelled": 1}
    engine.clock.now += 61
    assert [d.target for d in await claim(backend)] == ["function:b"]


async def test_find_filters_and_pages(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a", key=f"k/{n:02}") for n in range(25)])
    await backend.append([an_entry("function:b", key="other_%")])
    page, more = await backend.find(Query(prefix="k/"), limit=10)
    assert [d.event.key for d in page] == [f"k/{n:02}" for n in range(24, 14, -1)]
    rest, _ = await backend.find(Query(prefix="k/"), limit=100, before=more)
    assert [d.event.key for d in rest] == [f"k/{n:02}" for n in range(14, -1, -1)]
    for query, count in [
        (Query(target="function:b"), 1), (Query(bucket="photos"), 26), (Query(bucket="none"), 0),
        (Query(rule="all"), 26),
        (Query(prefix="other_%"), 1), (Query(prefix="other__"), 0), (Query(state="dead"), 0),
        (Query(since=engine.clock.now + 1), 0), (Query(until=engine.clock.now + 1), 26),
        (Query(event_id=page[0].event_id), 1),
    ]:  # fmt: skip
        assert len((await backend.find(query, limit=100))[0]) == count, query


async def test_find_by_reason_takes_signs_literally(backend: Backend) -> None:
    await backend.append([an_entry("function:a"), an_entry("function:a")])
    one, two = await claim(backend)
    await settle(backend, one, DeadLetter("disk 100% full"), "disk 100% full")
    await settle(backend, two, DeadLetter("HTTP 404"), "HTTP 404")
    assert len((await backend.find(Query(reason="100%"), limit=9))[0]) == 1
    assert len((await backend.find(Query(reason="1%4"), limit=9))[0]) == 0


async def test_unknown_ids_are_nothing(backend: Backend) -> None:
    for strange in ("", "x", "a-b", "0-0", "1-99999999999999999999", "-1"):
        assert await backend.get(strange) is None
        assert await backend.attempts_of(strange) == []
    assert await backend.event("nope") is None


async def test_events_are_kept_whether_matched_or_not(backend: Backend) -> None:
    matched, unmatched = an_entry("function:a"), an_entry()
    await backend.append([matched, unmatched])
    stats = await backend.stats()
    assert (stats.events, stats.unmatched, stats.accepted) == (2, 1, 1)
    kept = await backend.event(unmatched.event_id)
    assert kept is not None
    assert (kept.event, kept.generation) == (unmatched.event, 7)


async def test_clean_up_forgets_only_what_ended_well_long_ago(engine: Engine, backend: Backend) -> None:
    entries = [an_entry("function:a", key=k) for k in ("ok", "dead", "waiting")] + [an_entry(key="unmatched")]
    await backend.append(entries)
    by_key = {d.event.key: d for d in await claim(backend)}
    await settle(backend, by_key["ok"], Delivered())
    await settle(backend, by_key["dead"], DeadLetter("HTTP 404"), "HTTP 404")
    assert await backend.clean_up(delivered_before=engine.clock.now - 1, limit=100) == 0
    engine.clock.now += 100
    assert await backend.clean_up(delivered_before=engine.clock.now - 1, limit=1) == 1
    assert await backend.clean_up(delivered_before=engine.clock.now - 1, limit=100) == 1
    kept = [e.event.key for e in entries if await backend.event(e.event_id)]
    assert kept == ["dead", "waiting"]
    assert await backend.event(entries[0].event_id) is None


async def test_pending_by_target(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a", "function:b", at=5.0), an_entry("function:a", at=9.0)])
    assert await backend.pending_by_target() == {"function:a": (2, 5.0), "function:b": (1, 5.0)}


async def test_deliveries_outlive_the_process(engine: Engine) -> None:
    if not engine.durable:
        pytest.skip("this backend lives and dies with its process")
    first = engine.new()
    await first.open()
    await first.append([an_entry("function:a"), an_entry("function:b"), an_entry("function:c")])
    for delivery in await claim(first):
        if delivery.target == "function:a":
            await settle(first, delivery, Delivered())
    await first.close()  # b and c were claimed and never settled
    second = engine.new()
    await second.open()
    assert {(d.target, d.attempt) for d in await claim(second)} == {("function:b", 2), ("function:c", 2)}
    await second.close()


async def test_a_full_outbox_refuses_and_keeps_nothing(engine: Engine) -> None:
    if not engine.durable:
        pytest.skip("a memory backend has no bound")
    backend = engine.new(max_pending=3)
    await backend.open()
    await backend.append([an_entry("function:a"), an_entry("function:a")])
    with pytest.raises(BackendUnavailable, match="full"):
        await backend.append([an_entry("function:a"), an_entry("function:a")])
    assert await balance(backend) == {"delivered": 0, "dead": 0, "pending": 2, "cancelled": 0}
    await settle(backend, (await claim(backend))[0], Delivered())
    await backend.append([an_entry("function:a"), an_entry("function:a")])
    await backend.close()


async def test_wait_returns_when_something_arrives(backend: Backend) -> None:
    import asyncio

    waiting = asyncio.create_task(backend.wait(30))
    await asyncio.sleep(0)
    await backend.append([an_entry("function:a")])
    await asyncio.wait_for(waiting, 5)


async def test_clean_up_reaches_behind_many_dead_letters(engine: Engine, backend: Backend) -> None:
    entries = [an_entry("function:a", key="dead") for _ in range(2500)] + [an_entry("function:a", key="ok")]
    await backend.append(entries)
    while claimed := await claim(backend, 1024):
        step: dict[str, NextStep] = {"dead": DeadLetter("HTTP 404"), "ok": Delivered()}
        await backend.settle([settlement(d, step[d.event.key], "HTTP 404") for d in claimed])
    engine.clock.now += 100
    assert await backend.clean_up(delivered_before=engine.clock.now - 1, limit=100) == 1
    assert await backend.clean_up(delivered_before=engine.clock.now - 1, limit=100) == 0
    assert await balance(backend) == {"delivered": 1, "dead": 2500, "pending": 0, "cancelled": 0}


async def test_the_balance_holds_after_a_clean_up(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a", "function:b", "function:c")])
    one, two, _ = await claim(backend)
    await backend.settle([settlement(one, Delivered()), settlement(two, RetryAt(engine.clock.now + 60), "HTTP 503")])
    assert await backend.cancel(Query(), limit=10) == 1
    await backend.append([an_entry("function:a")])
    for delivery in await claim(backend):
        await settle(backend, delivery, Delivered())
    engine.clock.now += 100
    assert await backend.clean_up(delivered_before=engine.clock.now, limit=10) == 1
    assert await balance(backend) == {"delivered": 2, "dead": 0, "pending": 1, "cancelled": 1}


async def test_an_attempt_is_recorded_once(backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    (delivery,) = await claim(backend)
    # As after a commit whose answer was lost.
    await settle(backend, delivery, DeadLetter("HTTP 404"), "HTTP 404")
    await settle(backend, delivery, DeadLetter("HTTP 404"), "HTTP 404")
    assert [a.number for a in await backend.attempts_of(delivery.id)] == [1]
    assert (await balance(backend))["dead"] == 1


async def test_releasing_a_lost_claim_leaves_the_new_one_alone(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    lost = await claim(backend)
    engine.clock.now += 61
    (current,) = await claim(backend)
    await backend.release(lost)
    assert await claim(backend) == []
    await settle(backend, current, Delivered())
    assert (await balance(backend))["delivered"] == 1


async def test_what_is_refused_from_the_start_is_a_dead_letter(backend: Backend) -> None:
    entry = an_entry("function:a")
    refused = NewDelivery(f"{entry.event_id}-0", "function:a", "all", refused="loop: 17 hops")
    await backend.append([replace(entry, deliveries=(refused,))])
    assert await claim(backend) == []
    ((dead,), _) = await backend.find(Query(state="dead"), limit=10)
    assert (dead.reason, dead.attempt) == ("loop: 17 hops", 0)
    assert (await balance(backend))["dead"] == 1
    assert await backend.redeliver(Query(), limit=10) == 1
    assert len(await claim(backend)) == 1


def ordered(key: str, position: str, *, drop_stale: bool = False) -> Entry:
    event_id = f"{next(_ids):032x}"
    order = Order(f"function:a {key}", position, drop_stale)
    delivery = NewDelivery(f"{event_id}-0", "function:a", "all", order=order)
    return Entry(event_id, an_event(f"{key}/{position}"), 1_800_000_000.0, 7, None, (delivery,))


async def test_ordered_deliveries_go_one_at_a_time_the_lowest_first(engine: Engine, backend: Backend) -> None:
    await backend.append([ordered("k", "s3"), ordered("other", "s9"), ordered("k", "s1")])
    first = {d.event.key: d for d in await claim(backend)}
    assert set(first) == {"k/s1", "other/s9"}  # other keys go beside it
    await backend.append([ordered("k", "s2"), ordered("k", "s0")])
    assert await claim(backend) == []  # one at a time, even if what comes late belongs before it
    await settle(backend, first["k/s1"], Delivered())
    for expected in ("k/s0", "k/s2", "k/s3"):
        (delivery,) = await claim(backend)
        assert delivery.event.key == expected
        await settle(backend, delivery, Delivered())
    assert await balance(backend) == {"delivered": 4, "dead": 0, "pending": 1, "cancelled": 0}


async def test_an_ordered_delivery_that_fails_holds_back_only_its_key(engine: Engine, backend: Backend) -> None:
    await backend.append([ordered("k", "s1"), ordered("k", "s2"), ordered("other", "s1"), ordered("other", "s2")])
    tried = {d.event.key: d for d in await claim(backend)}
    await settle(backend, tried["k/s1"], RetryAt(engine.clock.now + 60), "HTTP 503")
    await settle(backend, tried["other/s1"], Delivered())
    assert [d.event.key for d in await claim(backend)] == ["other/s2"]
    engine.clock.now += 61
    again = {d.event.key: d for d in await claim(backend)}["k/s1"]
    assert again.attempt == 2
    await settle(backend, again, DeadLetter("gave up"), "HTTP 503")
    assert "k/s2" in [d.event.key for d in await claim(backend)]


async def test_an_ordered_claim_that_was_lost_or_given_back_goes_first_again(engine: Engine, backend: Backend) -> None:
    await backend.append([ordered("k", "s1"), ordered("k", "s2")])
    await claim(backend)
    engine.clock.now += 61
    (again,) = await claim(backend)
    assert (again.event.key, again.attempt) == ("k/s1", 2)
    await backend.append([ordered("k", "s0")])
    await backend.release([again])
    assert [d.event.key for d in await claim(backend)] == ["k/s0"]


async def test_cancelling_the_first_in_order_lets_the_next_go(engine: Engine, backend: Backend) -> None:
    await backend.append([ordered("k", "s1"), ordered("k", "s2")])
    assert await backend.cancel(Query(prefix="k/s1"), limit=10) == 1
    assert [d.event.key for d in await claim(backend)] == ["k/s2"]


async def test_stale_deliveries_are_dropped_when_asked_and_counted(backend: Backend) -> None:
    await backend.append([ordered("k", "s5", drop_stale=True)])
    (newest,) = await claim(backend)
    await backend.append([ordered("k", "s4", drop_stale=True), ordered("k", "s6", drop_stale=True)])
    await settle(backend, newest, Delivered())
    await backend.append([ordered("k", "s3", drop_stale=True), ordered("k", "t1", drop_stale=True)])
    gone, _ = await backend.find(Query(state="cancelled"), limit=10)
    assert sorted(d.event.key for d in gone) == ["k/s3", "k/s4"]
    assert {d.reason for d in gone} == {"stale: a newer event of this key was delivered before"}
    assert await balance(backend) == {"delivered": 1, "dead": 0, "pending": 2, "cancelled": 2}


async def test_order_outlives_the_process(engine: Engine) -> None:
    if not engine.durable:
        pytest.skip("this backend lives and dies with its process")
    first = engine.new()
    await first.open()
    await first.append([ordered("k", "s2"), ordered("k", "s3")])
    await claim(first)
    await first.append([ordered("k", "s1")])
    await first.close()
    second = engine.new()
    await second.open()
    keys = []
    while claimed := await claim(second):
        (delivery,) = claimed
        keys.append(delivery.event.key)
        await settle(second, delivery, Delivered())
    assert keys == ["k/s2", "k/s1", "k/s3"]  # s2 may be half-way through its target: it ends first
    await second.close()


async def test_a_circuit_is_kept_and_holds_nothing_ready(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a")])
    circuit = Circuit(2, engine.clock.now + 30)
    await backend.set_circuit("function:a", circuit)
    await backend.append([an_entry("function:a")])
    assert backend.circuits() == {"function:a": circuit}
    assert await claim(backend, **{"function:a": 0}) == []
    backend.wake()  # there is more room than before
    assert [d.attempt for d in await claim(backend, **{"function:a": 1})] == [1]
    await backend.set_circuit("function:a", None)
    assert backend.circuits() == {}
    assert len(await claim(backend)) == 1
    await backend.set_circuit("function:a", circuit)
    await backend.resume("function:a")
    assert backend.circuits() == {}


async def test_a_circuit_outlives_the_process(engine: Engine) -> None:
    if not engine.durable:
        pytest.skip("this backend lives and dies with its process")
    first = engine.new()
    await first.open()
    await first.append([an_entry("function:a")])
    await first.set_circuit("function:a", Circuit(3, 5.0))
    await first.close()
    second = engine.new()
    await second.open()
    assert second.circuits() == {"function:a": Circuit(3, 5.0)}
    await second.close()


async def test_how_many_can_be_sent_again_is_told_before(backend: Backend) -> None:
    await backend.append([an_entry("function:a", key=f"{n % 2}/{n}") for n in range(10)])
    await backend.settle([settlement(d, DeadLetter("HTTP 404"), "HTTP 404") for d in await claim(backend)])
    assert await backend.redeliverable(Query(prefix="0/")) == 5
    assert await backend.redeliver(Query(prefix="0/"), limit=2) == 2
    assert await backend.redeliverable(Query(prefix="0/")) == 3
    assert await backend.redeliverable(Query()) == 8


async def test_purged_dead_letters_go_with_their_event(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry("function:a", key="x"), an_entry("function:a", key="y")])
    for delivery in await claim(backend):
        await settle(backend, delivery, DeadLetter("HTTP 404"), "HTTP 404")
    assert await backend.purge(Query(prefix="x"), limit=10) == 1
    assert await balance(backend) == {"delivered": 0, "dead": 1, "pending": 0, "cancelled": 1}
    assert await backend.redeliverable(Query()) == 1
    engine.clock.now += 100
    assert await backend.clean_up(delivered_before=engine.clock.now - 1, limit=10) == 1
    assert await balance(backend) == {"delivered": 0, "dead": 1, "pending": 0, "cancelled": 1}


async def test_past_events_are_replayed_to_a_target_page_by_page(engine: Engine, backend: Backend) -> None:
    await backend.append([an_entry(key="x/unmatched"), an_entry("function:a", key="x/matched"), an_entry(key="y/1")])
    await settle(backend, (await claim(backend))[0], Delivered())
    assert await backend.replayable(Query(prefix="x/")) == 2
    made, after = await backend.replay(Query(prefix="x/"), target="function:new", rule="again", limit=1)
    assert made == 1
    assert after is not None
    made, after = await backend.replay(Query(prefix="x/"), target="function:new", rule="again", limit=5, after=after)
    assert (made, after) == (1, None)
    claimed = {d.event.key: d for d in await claim(backend)}
    assert set(claimed) == {"x/unmatched", "x/matched"}
    assert {(d.target, d.rule, d.attempt) for d in claimed.values()} == {("function:new", "again", 1)}
    assert claimed["x/matched"].id.endswith("-1")
    assert await balance(backend) == {"delivered": 1, "dead": 0, "pending": 2, "cancelled": 0}
    assert await backend.replay(Query(since=engine.clock.now + 1), target="function:new", rule="r", limit=9) == (
        0,
        None,
    )


async def test_a_thousand_keys_shuffled_and_repeated_end_as_if_sorted(backend: Backend) -> None:
    dice = random.Random(7)
    wanted = {f"k{n}": dice.randint(1, 5) for n in range(1000)}
    history = [(key, f"s{place}") for key, last in wanted.items() for place in range(1, last + 1)]
    shuffled = history + dice.sample(history, 300)
    dice.shuffle(shuffled)
    state: dict[str, str] = {}
    seen = Counter[tuple[str, str]]()
    arriving = [ordered(key, place, drop_stale=True) for key, place in shuffled]
    while arriving or (await backend.stats()).pending:
        batch, arriving = arriving[:400], arriving[400:]
        if batch:
            await backend.append(batch)
        claimed = await claim(backend, limit=1000, default_room=1000)
        assert len({d.event.key.partition("/")[0] for d in claimed}) == len(claimed)  # one at a time for each key
        for delivery in claimed:
            key, _, place = delivery.event.key.partition("/")
            assert place >= state.get(key, "")  # never back
            state[key] = place
            seen[key, place] += 1
        await backend.settle([settlement(d, Delivered()) for d in claimed])
    assert state == {key: f"s{last}" for key, last in wanted.items()}
    s = await backend.stats()
    assert s.accepted == len(shuffled) == s.delivered + s.cancelled
    assert s.delivered == sum(seen.values())


async def test_large_events_are_held_in_few(engine: Engine, backend: Backend) -> None:
    if not engine.durable:
        pytest.skip("a memory backend holds everything anyway")
    record = msgspec.Raw(b'{"x":"' + b"x" * 5 * 2**20 + b'"}')
    entries = [an_entry("function:a") for _ in range(8)]
    large = [msgspec.structs.replace(e.event, record=record) for e in entries]
    await backend.append([replace(e, event=event) for e, event in zip(entries, large, strict=True)])
    room = {"function:a": 200}
    fresh = list(await backend.claim(limit=100, room=room, default_room=200))
    await backend.release(fresh)
    stored = list(await backend.claim(limit=100, room=room, default_room=200))
    assert len(fresh) == len(stored) == 3  # 81 places each
