"""Claims are sent lane by lane and settled; one slow target delays no other."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from ossfn.adapter.backend import Stats
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
from ossfn.adapter.retry import LanePolicy, RetryPolicy

EVENT = ObjectEvent(
    name="s3:ObjectCreated:Put", bucket="b", key="k", time="2026-11-22T15:57:26Z", dialect="aws", event_source="aws:s3",
    record=msgspec.Raw(b"{}"),
)  # fmt: skip


def entry(event_id: str, *targets: str) -> Entry:
    deliveries = tuple(NewDelivery(f"{event_id}-{n}", target, "r") for n, target in enumerate(targets))
    return Entry(event_id, EVENT, time.time(), 1, None, deliveries)


@dataclass
class Scripted:
    """Targets that do what their list says, then accept; `hung` ones wait until let go."""

    script: dict[str, list[Outcome]] = field(default_factory=dict)
    hung: dict[str, asyncio.Event] = field(default_factory=dict)
    concurrency: int = 2
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    tries: list[tuple[str, int]] = field(default_factory=list)

    def lane_of(self, target: str) -> LanePolicy:
        """The same for all."""
        return LanePolicy(self.concurrency, RetryPolicy(first_delay=0.01))

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
async def dispatching(backend: MemoryBackend, targets: Scripted, steps: list[NextStep]) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(
        backend, targets, clock=time.time, dice=lambda: 0.5,
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
