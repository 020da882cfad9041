"""Deliveries in memory, gone with the process, for tests: keeps every promise of a backend but durability."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from math import inf

from ossfn.adapter.backend import DeliveryRecord, EventRecord, Query, Stats, TargetState
from ossfn.adapter.backends.kept import STALE, Kept, heads_of, matches, newer, stale
from ossfn.adapter.delivery import (
    Attempt,
    Circuit,
    DeadLetter,
    Delivered,
    Delivery,
    Entry,
    PauseTarget,
    RetryAt,
    Settlement,
)


class MemoryBackend:
    """A backend in two lists and a dict. `clock` gives Unix seconds."""

    def __init__(
        self, *, clock: Callable[[], float], lease_seconds: float = 900, duplicate_window_seconds: float = 3600
    ) -> None:
        self._clock = clock
        self._lease = lease_seconds
        self._window = duplicate_window_seconds
        self._events: dict[str, EventRecord] = {}
        self._identities: dict[str, float] = {}
        self._deliveries: list[Kept] = []
        self._newest: dict[str, str] = {}
        """Highest position delivered, by order key."""
        self._paused: dict[str, TargetState] = {}
        self._circuits: dict[str, Circuit] = {}
        self._counts = dict.fromkeys(
            ("accepted", "delivered", "dead", "cancelled", "events", "unmatched", "duplicates"), 0
        )
        self._wake = asyncio.Event()

    async def open(self) -> None:
        """Take back what was claimed before."""
        for kept in self._deliveries:
            self._give_back(kept, kept.record.attempt)

    async def close(self) -> None:
        """Nothing to let go of."""

    def healthy(self) -> str:
        """It always accepts."""
        return ""

    async def append(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """See `EventLog.append`."""
        new = [self._append(entry) for entry in entries]
        self._wake.set()
        return new

    def _append(self, entry: Entry) -> bool:
        seen = self._identities.get(entry.identity, -inf) if entry.identity else -inf
        if entry.event_id in self._events or seen > self._clock() - self._window:
            self._counts["duplicates"] += 1
            return False
        self._events[entry.event_id] = EventRecord(entry.event_id, entry.received_at, entry.generation, entry.event)
        if entry.identity:
            self._identities[entry.identity] = entry.received_at
        for number, d in enumerate(entry.deliveries):
            record = DeliveryRecord(
                id=f"{entry.event_id}-{number}", event_id=entry.event_id, target=d.target, rule=d.rule,
                generation=entry.generation, format=d.format, state="dead" if d.refused else "pending", attempt=0,
                accepted_at=entry.received_at, due_at=entry.received_at,
                settled_at=entry.received_at if d.refused else None, reason=d.refused, event=entry.event,
            )  # fmt: skip
            self._deliveries.append(Kept(record, d.order))
            self._counts["dead"] += bool(d.refused)
            if d.order:
                self._drop_stale(d.order.key)
        self._counts["events"] += 1
        self._counts["accepted"] += len(entry.deliveries)
        self._counts["unmatched"] += not entry.deliveries
        return True

    async def claim(self, *, limit: int, room: Mapping[str, int], default_room: int) -> Sequence[Delivery]:
        """See `DeliveryQueue.claim`."""
        self._wake.clear()
        now, left = self._clock(), dict(room)
        taken: list[Delivery] = []
        heads = heads_of(self._deliveries)
        due = sorted((k for k in self._deliveries if self._is_due(k, now, heads)), key=lambda k: k.record.due_at)
        for place, kept in self._in_turns(due):
            target = kept.record.target
            if len(taken) < limit and left.get(target, default_room) > 0:
                left[target] = left.get(target, default_room) - 1
                taken.append(self._claim(place, kept, now))
        return taken

    def _is_due(self, kept: Kept, now: float, heads: Mapping[str, Kept]) -> bool:
        r = kept.record
        if r.state != "pending" or r.due_at > now or r.target in self._paused:
            return False
        return kept.order is None or heads[kept.order.key] is kept

    def _drop_stale(self, key: str) -> None:
        """End what waits behind a newer one that was delivered and then wants not to go any more."""
        for kept in stale(self._deliveries, key, self._newest.get(key)):
            kept.record = replace(kept.record, state="cancelled", settled_at=self._clock(), reason=STALE)
            self._counts["cancelled"] += 1

    def _in_turns(self, due: Sequence[Kept]) -> list[tuple[int, Kept]]:
        """The first of each target, then the second of each, and so on; with their places in the list."""
        places = {id(kept): place for place, kept in enumerate(self._deliveries)}
        turn: dict[str, int] = {}
        order = []
        for kept in due:
            turn[kept.record.target] = turn.get(kept.record.target, 0) + 1
            order.append((turn[kept.record.target], kept))
        return [(places[id(kept)], kept) for _, kept in sorted(order, key=lambda pair: pair[0])]

    def _claim(self, place: int, kept: Kept, now: float) -> Delivery:
        r = kept.record = replace(kept.record, attempt=kept.record.attempt + 1, due_at=now + self._lease)
        kept.leased = True
        return Delivery(
            id=r.id, event_id=r.event_id, event=r.event, target=r.target, rule=r.rule, generation=r.generation,
            format=r.format, attempt=r.attempt, accepted_at=r.accepted_at, receipt=place, lease_until=r.due_at,
            ordered=kept.order is not None,
        )  # fmt: skip

    async def wait(self, timeout_seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        pending = [k.record.due_at for k in self._deliveries if k.record.state == "pending" and not k.leased]
        timeout = max(0.0, min([timeout_seconds, *(at - self._clock() for at in pending)]))
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except TimeoutError:
            return

    def wake(self) -> None:
        """See `DeliveryQueue.wake`."""
        self._wake.set()

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        for s in settlements:
            kept = self._deliveries[s.delivery.receipt]
            if s.attempt.number not in [attempt.number for attempt in kept.attempts]:
                kept.attempts.append(s.attempt)
            if kept.leased and kept.record.state == "pending" and kept.record.attempt == s.delivery.attempt:
                self._settle(kept, s)
        self._wake.set()

    def _settle(self, kept: Kept, s: Settlement) -> None:
        now = self._clock()
        kept.leased = False
        match s.step:
            case Delivered():
                kept.record = replace(kept.record, state="delivered", settled_at=now, due_at=now, reason="")
                self._counts["delivered"] += 1
                if kept.order:
                    self._newest[kept.order.key] = newer(self._newest.get(kept.order.key), kept.order.position)
                    self._drop_stale(kept.order.key)
            case RetryAt(at):
                kept.record = replace(kept.record, due_at=at, reason=s.attempt.reason)
            case DeadLetter(reason):
                kept.record = replace(kept.record, state="dead", settled_at=now, due_at=now, reason=reason)
                self._counts["dead"] += 1
            case PauseTarget(reason):
                kept.record = replace(kept.record, due_at=now, reason=reason)
                self._paused.setdefault(kept.record.target, TargetState(kept.record.target, reason, now))

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See `DeliveryQueue.release`."""
        for d in deliveries:
            kept = self._deliveries[d.receipt]
            if kept.record.attempt == d.attempt:
                self._give_back(kept, d.attempt - 1)
        self._wake.set()

    def _give_back(self, kept: Kept, attempt: int) -> None:
        if kept.leased and kept.record.state == "pending":
            kept.leased = False
            kept.record = replace(kept.record, due_at=self._clock(), attempt=attempt)

    async def stats(self) -> Stats:
        """See `History.stats`."""
        pending = sum(k.record.state == "pending" for k in self._deliveries)
        return Stats(pending=pending, **self._counts)

    async def recount(self) -> Stats:
        """See `History.recount`."""
        states = [k.record.state for k in self._deliveries]
        return Stats(
            accepted=len(states), delivered=states.count("delivered"), dead=states.count("dead"),
            pending=states.count("pending"), cancelled=states.count("cancelled"),
            **{name: self._counts[name] for name in ("events", "unmatched", "duplicates")},
        )  # fmt: skip

    async def pending_by_target(self) -> Mapping[str, tuple[int, float]]:
        """See `History.pending_by_target`."""
        waiting: dict[str, list[float]] = {}
        for kept in self._deliveries:
            if kept.record.state == "pending":
                waiting.setdefault(kept.record.target, []).append(kept.record.accepted_at)
        return {target: (len(times), min(times)) for target, times in waiting.items()}

    async def find(
        self, query: Query, *, limit: int, before: int | None = None
    ) -> tuple[Sequence[DeliveryRecord], int | None]:
        """See `History.find`."""
        places = [
            i for i, k in enumerate(self._deliveries) if matches(query, k.record) and (before is None or i < before)
        ]
        page = places[::-1][:limit]
        return [self._deliveries[i].record for i in page], (page[-1] if len(page) == limit else None)

    async def get(self, delivery_id: str) -> DeliveryRecord | None:
        """See `History.get`."""
        kept = self._by_id(delivery_id)
        return None if kept is None else kept.record

    async def attempts_of(self, delivery_id: str) -> Sequence[Attempt]:
        """See `History.attempts_of`."""
        kept = self._by_id(delivery_id)
        return [] if kept is None else list(kept.attempts)

    def _by_id(self, delivery_id: str) -> Kept | None:
        return next((k for k in self._deliveries if k.record.id == delivery_id), None)

    async def event(self, event_id: str) -> EventRecord | None:
        """See `History.event`."""
        return self._events.get(event_id)

    async def redeliver(self, query: Query, *, limit: int) -> int:
        """See `History.redeliver`."""
        chosen = [k for k in self._deliveries if not k.redelivered and matches(replace(query, state="dead"), k.record)]
        for kept in chosen[:limit]:
            kept.redelivered = True
            old, now = kept.record, self._clock()
            number = sum(k.record.event_id == old.event_id for k in self._deliveries)
            fresh = replace(
                old, id=f"{old.event_id}-{number}", state="pending", attempt=0, accepted_at=now, due_at=now,
                settled_at=None, reason="", redelivery_of=old.id,
            )  # fmt: skip
            self._deliveries.append(Kept(fresh, kept.order))
            self._counts["accepted"] += 1
        self._wake.set()
        return len(chosen[:limit])

    async def cancel(self, query: Query, *, limit: int) -> int:
        """See `History.cancel`."""
        chosen = [k for k in self._deliveries if not k.leased and matches(replace(query, state="pending"), k.record)]
        for kept in chosen[:limit]:
            kept.record = replace(
                kept.record, state="cancelled", settled_at=self._clock(), reason="cancelled by an operator"
            )
        self._counts["cancelled"] += len(chosen[:limit])
        return len(chosen[:limit])

    async def paused_targets(self) -> Sequence[TargetState]:
        """See `History.paused_targets`."""
        return [self._paused[target] for target in sorted(self._paused)]

    def paused(self) -> AbstractSet[str]:
        """See `DeliveryQueue.paused`."""
        return self._paused.keys()

    def circuits(self) -> Mapping[str, Circuit]:
        """See `DeliveryQueue.circuits`."""
        return self._circuits

    async def set_circuit(self, target: str, circuit: Circuit | None) -> None:
        """See `DeliveryQueue.set_circuit`."""
        if circuit:
            self._circuits[target] = circuit
        else:
            self._circuits.pop(target, None)

    async def pause(self, target: str, reason: str) -> None:
        """See `History.pause`."""
        self._paused[target] = TargetState(target, reason, self._clock())

    async def resume(self, target: str) -> None:
        """See `History.resume`."""
        self._paused.pop(target, None)
        self._circuits.pop(target, None)
        self._wake.set()

    async def clean_up(self, *, delivered_before: float, limit: int) -> int:
        """See `Backend.clean_up`."""
        busy = {
            k.record.event_id
            for k in self._deliveries
            if k.record.settled_at is None or k.record.settled_at >= delivered_before or k.record.state == "dead"
        }
        old = [e.id for e in self._events.values() if e.received_at < delivered_before and e.id not in busy][:limit]
        for event_id in old:
            del self._events[event_id]
        for kept in self._deliveries:  # places are receipts: emptied, not moved
            if kept.record.event_id in old:
                kept.record = replace(kept.record, id="", event_id="")
        return len(old)
