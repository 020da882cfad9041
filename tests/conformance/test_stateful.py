"""Any sequence of verbs, crashes and passing time, on each engine: nothing is lost, doubled, or tried out of turn."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ossfn.adapter.backend import Backend, Query, Stats
from ossfn.adapter.backends import backend_for
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
    State,
)
from ossfn.adapter.events import ObjectEvent

pytestmark = pytest.mark.slow

T = TypeVar("T")
TARGETS = ("function:a", "function:b", "callback:http://c/")
LEASE = 60
EVENT = ObjectEvent(
    name="s3:ObjectCreated:Put", bucket="b", key="k", time="", dialect="aws", event_source="aws:s3",
    record=msgspec.Raw(b"{}"),
)  # fmt: skip


@dataclass
class Known:
    """What the model knows of one delivery."""

    target: str
    order: Order | None = None
    state: State = "pending"
    attempt: int = 0
    """The highest that was claimed."""
    due_at: float = 0.0
    claimed_until: float | None = None


class Deliveries(RuleBasedStateMachine):
    """The model, and the backend beside it."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.ids = itertools.count(1)
        self.known: dict[str, Known] = {}
        self.entries: list[Entry] = []
        self.claims: list[Delivery] = []
        self.paused: set[str] = set()
        self.may_become: set[State] = {"cancelled"}
        """What a pending delivery may turn into without a settlement: by an operator, or because it is stale."""
        self.folder = Path(tempfile.mkdtemp(prefix="ossfn-stateful-"))
        self.loop = asyncio.new_event_loop()
        self.generation = 0
        self.backend = self.new()
        self.run(self.backend.open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to its end."""
        return self.loop.run_until_complete(work)

    @property
    def file(self) -> Path:
        """The database of this life."""
        return self.folder / f"{self.generation}.db"

    def new(self) -> Backend:
        """A backend as a new process would make it."""
        url, clock = self.url.replace("FILE", str(self.file)), lambda: self.now
        return backend_for(url, clock=clock, lease_seconds=LEASE, duplicate_window_seconds=3600, max_pending=100_000)

    def teardown(self) -> None:
        """Let everything come to its end: every delivery is accounted for."""
        self.may_become.add("delivered")
        for target in TARGETS:
            self.run(self.backend.resume(target))
        for _ in range(1000):
            self.now += LEASE + 1
            claimed = self.run(self.backend.claim(limit=1000, room={}, default_room=1000))
            self.run(self.backend.settle([self.settlement(d, Delivered()) for d in claimed]))
            if not claimed and not self.stats().pending:
                break
        else:
            raise AssertionError(f"still pending: {self.stats()}")
        self.balanced()
        self.run(self.backend.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def settlement(self, delivery: Delivery, step: NextStep) -> Settlement:
        """What a dispatcher hands in."""
        return Settlement(delivery, Attempt(delivery.attempt, self.now, 0.1, 200, ""), step)

    def stats(self) -> Stats:
        """The counters."""
        return self.run(self.backend.stats())

    @rule(to=st.lists(st.sampled_from(TARGETS), max_size=3), count=st.integers(1, 5))
    def append(self, to: list[str], count: int) -> None:
        """New events."""
        self.keep([self.entry([(target, None) for target in to]) for _ in range(count)])

    @rule(key=st.sampled_from("xyz"), places=st.lists(st.integers(0, 99), min_size=1, max_size=4), drop=st.booleans())
    def append_ordered(self, key: str, places: list[int], drop: bool) -> None:
        """New events of one key, in any order."""
        orders = [Order(key, f"s{place:02}", drop) for place in places]
        self.keep([self.entry([(TARGETS[0], order)]) for order in orders])

    def entry(self, wanted: list[tuple[str, Order | None]]) -> Entry:
        """One event with these deliveries."""
        event_id = f"{next(self.ids):032x}"
        deliveries = tuple(
            NewDelivery(f"{event_id}-{n}", target, "r", order=order) for n, (target, order) in enumerate(wanted)
        )
        return Entry(event_id, EVENT, self.now, 1, None, deliveries)

    def keep(self, entries: list[Entry]) -> None:
        """Append; the model knows of it when the backend has said so."""
        assert self.run(self.backend.append(entries)) == [True] * len(entries)
        self.entries += entries
        for delivery in (d for entry in entries for d in entry.deliveries):
            self.known[delivery.id] = Known(delivery.target, delivery.order, due_at=self.now)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def append_again(self, data: st.DataObject) -> None:
        """A repeated append changes nothing, unless the event was cleaned up."""
        entry = data.draw(st.sampled_from(self.entries))
        if self.run(self.backend.event(entry.event_id)):
            assert self.run(self.backend.append([entry])) == [False]

    @rule(limit=st.integers(1, 20), room=st.dictionaries(st.sampled_from(TARGETS), st.integers(0, 3)))
    def claim(self, limit: int, room: dict[str, int]) -> None:
        """Only what is due, within the limits, nothing twice, ordered keys one at a time."""
        claimed = self.run(self.backend.claim(limit=limit, room=room, default_room=5))
        assert len(claimed) <= limit
        for target in TARGETS:
            assert sum(d.target == target for d in claimed) <= room.get(target, 5)
        for delivery in claimed:
            self.check_claim(delivery)
            known = self.known[delivery.id]
            known.attempt, known.claimed_until = delivery.attempt, delivery.lease_until
        self.claims += claimed

    def check_claim(self, delivery: Delivery) -> None:
        """Whether this one may be tried now."""
        known = self.known[delivery.id]
        assert known.state == "pending"
        assert known.target not in self.paused
        assert delivery.attempt > known.attempt
        assert known.claimed_until is None or known.claimed_until <= self.now
        assert known.due_at <= self.now
        if known.order:
            others = [o for i, o in self.known.items() if o.order and o.order.key == known.order.key and o is not known]
            assert not [o for o in others if o.state == "pending" and (o.claimed_until or 0) > self.now]

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), wanted=st.sampled_from(["delivered", "retry", "dead", "pause"]))
    def settle(self, data: st.DataObject, wanted: str) -> None:
        """Whatever claim it was: only the current one changes anything."""
        delivery = data.draw(st.sampled_from(self.claims))
        steps: dict[str, NextStep] = {
            "delivered": Delivered(), "retry": RetryAt(self.now + 30), "dead": DeadLetter("no"),
            "pause": PauseTarget("HTTP 410"),
        }  # fmt: skip
        self.run(self.backend.settle([self.settlement(delivery, steps[wanted])]))
        known = self.known[delivery.id]
        if known.state != "pending" or known.claimed_until is None or known.attempt != delivery.attempt:
            return
        if wanted == "pause":
            self.paused.add(delivery.target)
        known.claimed_until = None
        known.due_at = self.now + 30 if wanted == "retry" else self.now
        known.state = {"delivered": "delivered", "dead": "dead"}.get(wanted, "pending")  # type: ignore[assignment]

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A claim given back is due again and was no attempt."""
        delivery = data.draw(st.sampled_from(self.claims))
        self.run(self.backend.release([delivery]))
        known = self.known[delivery.id]
        if known.state == "pending" and known.claimed_until is not None and known.attempt == delivery.attempt:
            known.attempt, known.claimed_until, known.due_at = delivery.attempt - 1, None, self.now

    @rule(seconds=st.sampled_from([1, 31, LEASE + 1]))
    def pass_time(self, seconds: int) -> None:
        """Retries come due, claims end."""
        self.now += seconds

    @rule(to=st.sampled_from(TARGETS), paused=st.booleans())
    def pause(self, to: str, paused: bool) -> None:
        """And resume, by hand."""
        self.run(self.backend.pause(to, "by hand") if paused else self.backend.resume(to))
        (self.paused.add if paused else self.paused.discard)(to)

    @rule(to=st.sampled_from(TARGETS), opens=st.booleans())
    def switch_circuit(self, to: str, opens: bool) -> None:
        """What was held ready in memory goes back."""
        self.run(self.backend.set_circuit(to, Circuit(1, self.now + 5) if opens else None))

    @rule(limit=st.integers(1, 5))
    def redeliver(self, limit: int) -> None:
        """Each dead letter at most once, as a new delivery."""
        made = self.run(self.backend.redeliver(Query(), limit=limit))
        fresh = [r for r in self.records() if r.id not in self.known]
        assert len(fresh) == made <= limit
        for record in fresh:
            old = self.known[record.redelivery_of]
            assert (old.state, record.attempt) == ("dead", 0)
            self.known[record.id] = Known(old.target, old.order, due_at=self.now)
        sent_again = [r.redelivery_of for r in self.records() if r.redelivery_of]
        assert len(sent_again) == len(set(sent_again))

    @rule(limit=st.integers(1, 5))
    def cancel(self, limit: int) -> None:
        """Nothing that is being tried."""
        before = {r.id for r in self.records() if r.state == "pending"}
        ended = self.run(self.backend.cancel(Query(), limit=limit))
        gone = [r for r in self.records() if r.id in before and r.state == "cancelled" and "operator" in r.reason]
        assert len(gone) == ended <= limit
        for record in gone:
            assert (self.known[record.id].claimed_until or 0) <= self.now

    @rule(age=st.sampled_from([0, 30, 100]))
    def clean_up(self, age: int) -> None:
        """Only what ended well."""
        gone_before = {r.id for r in self.records()}
        self.run(self.backend.clean_up(delivered_before=self.now - age, limit=5))
        for gone in gone_before - {r.id for r in self.records()}:
            assert self.known[gone].state in ("delivered", "cancelled")

    @rule()
    def crash(self) -> None:
        """A new process on what was durable at this instant."""
        self.run(self.reopen())
        for known in self.known.values():
            if known.claimed_until is not None:
                known.claimed_until, known.due_at = None, min(known.due_at, self.now)

    async def reopen(self) -> None:
        """Memory keeps its lists; a file is copied as it is, before the old process can do anything more."""
        if self.file.exists():
            image = self.folder / f"{self.generation + 1}.db"
            for end in ("", "-wal"):
                shutil.copy(f"{self.file}{end}", f"{image}{end}")
            await self.backend.close()
            self.generation += 1
            self.backend = self.new()
        await self.backend.open()

    def records(self) -> list[Any]:
        """Everything that history shows."""
        found, more = self.run(self.backend.find(Query(), limit=10_000))
        assert more is None
        return list(found)

    @invariant()
    def balanced(self) -> None:
        """Every delivery is in one state, which only changes as it may; counters and rows agree."""
        stats = self.stats()
        assert stats == self.run(self.backend.recount())
        assert stats.accepted == len(self.known) == stats.delivered + stats.dead + stats.pending + stats.cancelled
        for record in self.records():
            known = self.known[record.id]
            if known.state == "pending" and record.state in self.may_become:
                known.state = record.state
            assert record.state == known.state
        kinds = [known.state for known in self.known.values()]
        assert (stats.delivered, stats.dead) == (kinds.count("delivered"), kinds.count("dead"))


class OnMemory(Deliveries):
    """In memory."""

    url = "memory:"


class OnSqlite(Deliveries):
    """In a file."""

    url = "sqlite:///FILE"


_settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=(Phase.generate,),  # shrinking takes minutes: take it in when something is found
)
TestOnMemory = OnMemory.TestCase
TestOnMemory.settings = _settings
TestOnSqlite = OnSqlite.TestCase
TestOnSqlite.settings = _settings
