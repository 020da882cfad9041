"""MAIN PATH 1: a notification comes in; decode it, match its events with the rules, keep all, and then say yes."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from ossfn.adapter.backend import EventLog
from ossfn.adapter.delivery import Entry, NewDelivery, Order, position
from ossfn.adapter.dialects import Confirmation, Decoded, decode
from ossfn.adapter.events import ObjectEvent, hops_of, identity
from ossfn.trigger_registry.matching import Match
from ossfn.trigger_registry.rules import Rule


@dataclass(frozen=True, slots=True)
class Source:
    """Where notifications come from: the last part of `/ingest/{name}`."""

    name: str
    dialect: str = "auto"
    region: str = ""
    """For stores that name no region in their records."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was kept of one notification; everything counted here is durable."""

    events: int
    deliveries: int
    duplicates: int
    ignored: tuple[str, ...]


class LoopGuard:
    """Stops functions that write back to what triggers them: by hops where the store tells, else by how often.

    Used on one event loop only.
    """

    MOST_HOPS = 16
    KEYS = 100_000
    """Keys that are counted; beyond this counting begins anew, and a loop is found a little later."""

    def __init__(self, calls_per_minute: int) -> None:
        """One key may call one function so often; 0: as often as it likes."""
        self._most_calls = calls_per_minute
        self._minute = 0
        self._calls: Counter[tuple[str, str, str]] = Counter()

    def why_not(self, event: ObjectEvent, target: str, now: float) -> str:
        """Empty, or why this event must not reach this target."""
        if (hops := hops_of(event)) > self.MOST_HOPS:
            return f"loop: a function has written this object in answer to itself {hops} times"
        self._count_anew(now)
        most = self._most_calls
        if most and self._calls[target, event.bucket, event.key] >= most and target.startswith("function:"):
            return f"loop: this key has called {target} {most} times within a minute"
        return ""

    def called(self, entry: Entry) -> None:
        """A new event was kept."""
        for delivery in entry.deliveries:
            self._calls[delivery.target, entry.event.bucket, entry.event.key] += 1

    def _count_anew(self, now: float) -> None:
        minute = int(now // 60)
        if minute != self._minute or len(self._calls) > self.KEYS:
            self._minute = minute
            self._calls.clear()


class Ingest:
    """Takes notifications. `match` finds the rules of (bucket, event name, key); `new_id` makes event ids."""

    def __init__(
        self,
        log: EventLog,
        match: Callable[[str, str, str], Match],
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        calls_per_minute: int = 16,
    ) -> None:
        self._log = log
        self._match = match
        self._clock = clock
        self._new_id = new_id
        self._loops = LoopGuard(calls_per_minute)

    async def accept(self, source: Source, headers: Mapping[str, str], body: bytes) -> Receipt | Confirmation:
        """Keep all events of a notification, or none. Raises NotDecodable and BackendUnavailable."""
        decoded = decode(source.dialect, headers, body)
        match decoded:
            case Confirmation():
                return decoded
            case Decoded(events, ignored):
                entries = [self._entry(source, event) for event in events]
                kept = await self._log.append(entries) if entries else []
                new = [entry for entry, is_new in zip(entries, kept, strict=True) if is_new]
                for entry in new:
                    self._loops.called(entry)
                return Receipt(len(new), sum(len(entry.deliveries) for entry in new), len(kept) - len(new), ignored)

    def _entry(self, source: Source, event: ObjectEvent) -> Entry:
        event = msgspec.structs.replace(event, source=source.name, region=event.region or source.region)
        match = self._match(event.bucket, event.name, event.key)
        event_id, now = self._new_id(), self._clock()
        targets = [(rule, target.id) for rule in match.rules for target in rule.targets]
        deliveries = tuple(
            NewDelivery(
                f"{event_id}-{number}",
                target,
                rule.name,
                rule.format,
                _order(rule, target, event) if rule.ordered else None,
                self._loops.why_not(event, target, now),
            )
            for number, (rule, target) in enumerate(targets)
        )
        return Entry(event_id, event, now, match.generation, identity(event), deliveries)


def _order(rule: Rule, target: str, event: ObjectEvent) -> Order:
    """Its place among the deliveries of one key by one rule to one target."""
    return Order("\n".join((target, rule.name, event.bucket, event.key)), position(event), rule.drop_stale)
