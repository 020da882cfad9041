"""Claims are sent lane by lane and settled; one slow target delays no other."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from ossfn.adapter.backend import Query, Stats
from ossfn.adapter.backends.memory import MemoryBackend
from ossfn.adapter.delivery import (
    Accepted,
    Attempt,
    Delivery,
    Entry,
    Failed,
    Gone,
    NewDelivery,
    NextStep,
    Outcome,
    Refused,
)
from ossfn.adapter.dispatcher import Dispatcher
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.retry import CircuitPolicy, LanePolicy, RetryPolicy

EVENT = ObjectEvent(
    name="s3:ObjectCreated:Put", bucket="b", key="k", time="2026-11-22T15:57:26Z", dialect="aws", event_source="aws:s3",
    record=msgspec.Raw(b"{}"),
)  # fmt: skip


def entry(event_id: str, *targets: str, at: float = 0) -> Entry:
    deliveries = tuple(NewDelivery(f"{event_id}-{n}", target, "r") for n, target in enumerate(targets))
    return Entry(event_id, EVENT, at or time.time(), 1, None, deliveries)


@dataclass
class Scripted:
    """Targets that do what their list says, then accept; `hung` ones wait until let go."""

    script: dict[str, list[Outcome]] = field(default_factory=dict)
    hung: dict[str, asyncio.Event] = field(default_factory=dict)
    concurrency: int = 2
    per_second: float | None = None
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(first_delay=0.01))
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    tries: list[tuple[str, int]] = field(default_factory=list)

    def lane_of(self, target: str) -> LanePolicy:
        """The same for all."""
        return LanePolicy(self.concurrency, self.retry, self.per_second)

    async def send(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        """Note it, wait if told to, answer as scripted."""
        self.tries.append((delivery.target, delivery.attempt))
        self.now[delivery.target] += 1
        self.most[delivery.target] = max(self.most[delivery.target], self.now[delivery.target])
        await asyncio.sleep(0)
        if delivery.target in self.hung:
            await self.hung[delivery.target].wait()
        self.now[delivery.target] -= 1
        outcome = (self.script.get(delivery.target) or [Accepted()]).pop(0)
        reason = "" if isinstance(outcome, Accepted) else outcome.reason
        return outcome, Attempt(delivery.attempt, time.time(), 0.001, 200, reason)


@asynccontextmanager
async def dispatching(
    backend: MemoryBackend,
    targets: Scripted,
    steps: list[NextStep],
    *,
    breaker: CircuitPolicy = CircuitPolicy(),  # noqa: B008  # it is a frozen value
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(
        backend, targets, clock=clock, dice=lambda: 0.5, breaker=breaker,
        on_attempt=lambda delivery, attempt, step: steps.append(step),
    )  # fmt: skip
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        for event in targets.hung.values():
            event.set()
        dispatcher.stop()
        await asyncio.wait_for(running, 10)


async def until(backend: MemoryBackend, **wanted: int) -> Stats:
    """Wait until the counts are these."""
    async with asyncio.timeout(10):
        while True:
            stats = await backend.stats()
            if all(getattr(stats, name) == value for name, value in wanted.items()):
                return stats
            await asyncio.sleep(0.005)


async def test_what_is_appended_is_delivered_within_the_concurrency() -> None:
    backend, targets, steps = MemoryBackend(clock=time.time), Scripted(concurrency=3), list[NextStep]()
    async with dispatching(backend, targets, steps):
        await backend.append([entry(f"e{n}", "function:a", "function:b") for n in range(50)])
        await until(backend, delivered=100, pending=0)
    assert targets.most == {"function:a": 3, "function:b": 3}
    assert len(steps) == 100


async def test_failures_come_again_and_refusals_do_not() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted({"function:a": [Failed("503"), Failed("503")], "function:b": [Refused("404")]})
    async with dispatching(backend, targets, steps):
        await backend.append([entry("e1", "function:a", "function:b")])
        await until(backend, delivered=1, dead=1, pending=0)
    assert Counter(targets.tries) == Counter(
        {("function:a", 1): 1, ("function:a", 2): 1, ("function:a", 3): 1, ("function:b", 1): 1}
    )
    assert [a.number for a in await backend.attempts_of("e1-0")] == [1, 2, 3]


async def test_a_bug_of_ours_is_retried_like_a_failure() -> None:
    class Buggy(Scripted):
        async def send(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
            if delivery.attempt == 1:
                raise KeyError("oops")
            return await super().send(delivery)

    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    async with dispatching(backend, Buggy(), steps):
        await backend.append([entry("e1", "function:a")])
        await until(backend, delivered=1)
    assert "KeyError('oops')" in (await backend.attempts_of("e1-0"))[0].reason


async def test_a_gone_target_is_paused_and_keeps_its_deliveries() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    async with dispatching(backend, Scripted({"function:a": [Gone("HTTP 410")]}), steps):
        await backend.append([entry("e1", "function:a")])
        while not await backend.paused_targets():
            await asyncio.sleep(0.005)
        await backend.append([entry("e2", "function:a", "function:b")])
        await until(backend, delivered=1, pending=2)
        await backend.resume("function:a")
        await until(backend, delivered=3, pending=0)


async def test_a_hung_target_holds_up_nobody_else() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted(hung={"function:slow": asyncio.Event()})
    async with dispatching(backend, targets, steps):
        await backend.append([entry(f"s{n}", "function:slow") for n in range(600)])
        await backend.append([entry(f"q{n}", "function:quick") for n in range(100)])
        await until(backend, delivered=100, pending=600)
        assert targets.most["function:slow"] == 2
        targets.hung["function:slow"].set()
        await until(backend, delivered=700, pending=0)


async def test_stopping_finishes_what_is_sent_and_gives_back_the_rest() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted(hung={"function:a": asyncio.Event()}, concurrency=1)
    async with dispatching(backend, targets, steps):
        await backend.append([entry(f"e{n}", "function:a") for n in range(10)])
        while not targets.tries:
            await asyncio.sleep(0.005)
    stats = await backend.stats()
    assert (stats.delivered, stats.pending) == (1, 9)
    given_back = await backend.claim(limit=100, room={}, default_room=100)
    assert {d.attempt for d in given_back} == {1}
    assert len(given_back) == 9


async def test_a_target_that_only_fails_is_left_alone_then_probed() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted({"function:bad": [Failed("503") for _ in range(14)]}, concurrency=1)
    breaker = CircuitPolicy(failures=10, first=0.3, longest=0.6)
    async with dispatching(backend, targets, steps, breaker=breaker):
        await backend.append([entry(f"e{n}", "function:bad") for n in range(30)])
        while not backend.circuits():
            await asyncio.sleep(0.005)
        opened = time.monotonic()
        assert len(targets.tries) <= 11  # one may have begun before it was known
        await backend.append([entry("quick", "function:good")])
        await until(backend, delivered=1)
        assert time.monotonic() - opened < 0.2
        while backend.circuits()["function:bad"].opened < 3:  # two probes failed
            await asyncio.sleep(0.005)
        assert len([t for t, _ in targets.tries if t == "function:bad"]) <= 13
        await until(backend, delivered=31, pending=0)
        assert backend.circuits() == {}
    assert time.monotonic() - opened > 0.3 + 0.6 + 0.6
    assert sorted(a for _, a in targets.tries)[-1] <= 13


async def test_resuming_a_target_closes_its_circuit() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted({"function:bad": [Failed("503") for _ in range(4)]}, concurrency=1)
    async with dispatching(backend, targets, steps, breaker=CircuitPolicy(failures=3, first=3600, longest=3600)):
        await backend.append([entry(f"e{n}", "function:bad") for n in range(5)])
        while not backend.circuits():
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert len(targets.tries) <= 4
        await backend.resume("function:bad")
        await until(backend, delivered=5)


async def test_a_rate_is_kept_also_by_deliveries_that_come_singly() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted(concurrency=8, per_second=50)
    start = time.monotonic()
    async with dispatching(backend, targets, steps):
        for n in range(15):
            await backend.append([entry(f"e{n}", "function:a")])
            await until(backend, pending=0) if n < 5 else await asyncio.sleep(0)
        await until(backend, delivered=15)
    assert 14 / 50 <= time.monotonic() - start < 2


async def test_no_try_begins_that_could_outlast_its_claim() -> None:
    class Clock:
        now = 1_800_000_000.0

        def __call__(self) -> float:
            return self.now

    clock, steps = Clock(), list[NextStep]()
    backend, targets = MemoryBackend(clock=clock, lease_seconds=100), Scripted(concurrency=1)
    gate = targets.hung["function:a"] = asyncio.Event()
    async with dispatching(backend, targets, steps, clock=clock):
        await backend.append([entry(f"e{n}", "function:a", at=clock.now) for n in range(3)])
        while not targets.tries:
            await asyncio.sleep(0.005)
        clock.now += 45  # a try may take 60 s, and their claims last for 55 more
        gate.set()
        await until(backend, delivered=3)
    assert sorted(targets.tries) == [("function:a", 1)] * 3  # what was given back was not counted as tried
    assert {len(await backend.attempts_of(f"e{n}-0")) for n in range(3)} == {1}


async def test_a_stop_cuts_what_takes_too_long_and_gives_it_back() -> None:
    backend, targets = MemoryBackend(clock=time.time), Scripted(hung={"function:a": asyncio.Event()}, concurrency=2)
    dispatcher = Dispatcher(
        backend, targets, clock=time.time, dice=lambda: 0.5, on_attempt=lambda *_: None, stop_seconds=0.2
    )
    running = asyncio.create_task(dispatcher.run())
    await backend.append([entry(f"e{n}", "function:a") for n in range(5)])
    while len(targets.tries) < 2:
        await asyncio.sleep(0.005)
    start = time.monotonic()
    dispatcher.stop()
    await running
    assert 0.2 <= time.monotonic() - start < 0.5
    assert [d.attempt for d in await backend.claim(limit=10, room={}, default_room=10)] == [1] * 5


async def test_an_idle_one_stops_at_once() -> None:
    backend = MemoryBackend(clock=time.time)
    async with dispatching(backend, Scripted(), []):
        await asyncio.sleep(0.05)
        start = time.monotonic()
    assert time.monotonic() - start < 0.1


async def test_a_day_of_failures_passes_in_no_time() -> None:
    class Leaping:
        """Jumps ahead whenever nothing is left to do."""

        now = start = 1_800_000_000.0

        def __call__(self) -> float:
            return self.now

    clock, steps = Leaping(), list[NextStep]()
    backend = MemoryBackend(clock=clock)
    always = Scripted({"function:a": [Failed("HTTP 503") for _ in range(1000)]}, retry=RetryPolicy())
    real = time.monotonic()
    async with dispatching(backend, always, steps, clock=clock):
        await backend.append([entry("e1", "function:a", at=clock.now)])
        while not (await backend.stats()).dead:
            (record,) = (await backend.find(Query(), limit=1))[0]
            circuit = backend.circuits().get("function:a")
            wait_for = max(record.due_at, circuit.open_until if circuit else 0)
            settled = len(await backend.attempts_of(record.id)) == record.attempt
            if settled and clock.now < wait_for:
                clock.now = wait_for
                backend.wake()
            await asyncio.sleep(0)
    assert time.monotonic() - real < 1
    assert 86_400 - 600 < clock.now - clock.start <= 86_400
    tries = await backend.attempts_of("e1-0")
    assert [a.number for a in tries] == list(range(1, 154))
    (dead,) = (await backend.find(Query(state="dead"), limit=1))[0]
    assert dead.reason == "gave up after 86400 s: HTTP 503"


async def test_what_waits_in_the_lane_of_a_target_that_is_gone_is_given_back() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted({"function:a": [Gone("HTTP 410")]}, concurrency=1)
    async with dispatching(backend, targets, steps):
        await backend.append([entry(f"e{n}", "function:a") for n in range(20)])
        while not await backend.paused_targets():
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert targets.tries == [("function:a", 1)]
    assert (await backend.stats()).pending == 20


async def test_a_pause_by_hand_reaches_what_waits_in_the_lane() -> None:
    backend, steps = MemoryBackend(clock=time.time), list[NextStep]()
    targets = Scripted(hung={"function:a": asyncio.Event()}, concurrency=1)
    async with dispatching(backend, targets, steps):
        await backend.append([entry(f"e{n}", "function:a") for n in range(20)])
        while not targets.tries:
            await asyncio.sleep(0.005)
        await backend.pause("function:a", "by hand")
        targets.hung["function:a"].set()
        await until(backend, delivered=1, pending=19)
        await asyncio.sleep(0.1)
        assert len(targets.tries) == 1
        await backend.resume("function:a")
        await until(backend, delivered=20)
