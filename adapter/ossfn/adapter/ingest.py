"""MAIN PATH 1: a notification comes in; decode it, match its events with the rules, keep all, and then say yes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from ossfn.adapter.backend import EventLog
from ossfn.adapter.delivery import Entry, NewDelivery
from ossfn.adapter.dialects import Confirmation, Decoded, decode
from ossfn.adapter.events import ObjectEvent, identity
from ossfn.trigger_registry.matching import Match


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


class Ingest:
    """Takes notifications. `match` finds the rules of (bucket, event name, key); `new_id` makes event ids."""

    def __init__(
        self,
        log: EventLog,
        match: Callable[[str, str, str], Match],
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._log = log
        self._match = match
        self._clock = clock
        self._new_id = new_id

    async def accept(self, source: Source, headers: Mapping[str, str], body: bytes) -> Receipt | Confirmation:
        """Keep all events of a notification, or none. Raises NotDecodable and BackendUnavailable."""
        decoded = decode(source.dialect, headers, body)
        match decoded:
            case Confirmation():
                return decoded
            case Decoded(events, ignored):
                entries = [self._entry(source, event) for event in events]
                new = await self._log.append(entries) if entries else []
                deliveries = sum(len(entry.deliveries) for entry, kept in zip(entries, new, strict=True) if kept)
                return Receipt(sum(new), deliveries, len(new) - sum(new), ignored)

    def _entry(self, source: Source, event: ObjectEvent) -> Entry:
        event = msgspec.structs.replace(event, source=source.name, region=event.region or source.region)
        match = self._match(event.bucket, event.name, event.key)
        event_id = self._new_id()
        targets = [(rule, target) for rule in match.rules for target in rule.targets]
        deliveries = tuple(
            NewDelivery(f"{event_id}-{number}", target.id, rule.name, rule.format)
            for number, (rule, target) in enumerate(targets)
        )
        return Entry(event_id, event, self._clock(), match.generation, identity(event), deliveries)
