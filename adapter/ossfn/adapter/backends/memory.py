"""Deliveries in memory, gone with the process, for tests: keeps every promise of a backend but durability."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

from ossfn.adapter.backend import DeliveryRecord, EventRecord, TargetState
from ossfn.adapter.backends.kept import STALE, Kept, heads_of, newer, stale
from ossfn.adapter.backends.memory_history import MemoryHistory
from ossfn.adapter.delivery import (
    DeadLetter,
    Delivered,
    Delivery,
    Entry,
    PauseTarget,
    RetryAt,
    Settlement,
)


class MemoryBackend(MemoryHistory):
    """A backend in two lists and a dict. `clock` gives Unix seconds."""

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
