"""The history's verbs in memory, for tests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from ossfn.adapter.backend import DeliveryRecord, EventRecord, Query, Stats, TargetState
from ossfn.adapter.backends.kept import Kept, matches, wants
from ossfn.adapter.delivery import (
    Attempt,
    Circuit,
)


class MemoryHistory:
    """What is kept, and the verbs on it that need no claim."""

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

    async def redeliverable(self, query: Query) -> int:
        """See `History.redeliverable`."""
        dead = replace(query, state="dead")
        return sum(not k.redelivered and matches(dead, k.record) for k in self._deliveries)

    async def replayable(self, query: Query) -> int:
        """See `History.replayable`."""
        return sum(wants(query, event) for event in self._events.values())

    async def replay(
        self, query: Query, *, target: str, rule: str, limit: int, after: int = 0
    ) -> tuple[int, int | None]:
        """See `History.replay`."""
        chosen = [(n, e) for n, e in enumerate(self._events.values(), 1) if n > after and wants(query, e)][:limit]
        for _, event in chosen:
            self._deliveries.append(self._replayed(event, target, rule))
            self._counts["accepted"] += 1
        self._wake.set()
        return len(chosen), (chosen[-1][0] if len(chosen) == limit else None)

    def _replayed(self, event: EventRecord, target: str, rule: str) -> Kept:
        number, now = sum(k.record.event_id == event.id for k in self._deliveries), self._clock()
        return Kept(
            DeliveryRecord(
                id=f"{event.id}-{number}", event_id=event.id, target=target, rule=rule, generation=event.generation,
                format="structured", state="pending", attempt=0, accepted_at=now, due_at=now, settled_at=None,
                reason="", event=event.event,
            )
        )  # fmt: skip

    async def purge(self, query: Query, *, limit: int) -> int:
        """See `History.purge`."""
        chosen = [k for k in self._deliveries if matches(replace(query, state="dead"), k.record)][:limit]
        for kept in chosen:
            kept.record = replace(kept.record, state="cancelled", settled_at=self._clock())
        self._counts["dead"] -= len(chosen)
        self._counts["cancelled"] += len(chosen)
        return len(chosen)

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
