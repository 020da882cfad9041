"""The promises that every place which holds deliveries must keep; `tests/conformance` states each one as a test.

Three roles, so that ingest sees only the log, the dispatcher only the queue, console and API only the history.
All verbs take and return batches. Times are Unix seconds.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from ossfn.adapter.delivery import Attempt, Circuit, Entry, Settlement, State
from ossfn.adapter.delivery import Delivery as ClaimedDelivery
from ossfn.adapter.events import ObjectEvent


class BackendUnavailable(Exception):
    """It cannot keep or give anything now (disk full, read-only, busy, damaged); nothing was accepted. Try again."""

    def __init__(self, reason: str, retry_after_seconds: int = 5) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class EventLog(Protocol):
    """All that ingest sees."""

    async def append(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """Keep events and their deliveries: all of them, durable once this returns, or none and BackendUnavailable.

        Safe to repeat: an entry whose identity or event id is kept already changes nothing. Answers, for each entry,
        whether it was new.
        """
        ...


class DeliveryQueue(Protocol):
    """All that the dispatcher sees."""

    async def claim(self, *, limit: int, room: Mapping[str, int], default_room: int) -> Sequence[ClaimedDelivery]:
        """Take due deliveries: at most `limit`, and of each target at most `room[target]`, `default_room` if not named.

        A claimed delivery is given to nobody else until its lease ends; one that is not settled by then is due again,
        one attempt older. Targets take turns; paused ones get none. Returns at once, maybe with less than there
        is: then `wait` returns at once too.
        """
        ...

    async def wait(self, timeout_seconds: float) -> None:
        """Return when there may be something to claim, when woken, or after the time-out."""
        ...

    def wake(self) -> None:
        """Let `wait` return now and the next `claim` look everywhere, e.g. because there is more room."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record the attempts and the steps that follow, durable once this returns.

        A settlement that comes after its lease has ended and somebody else has claimed changes no state; its attempt
        is still recorded.
        """
        ...

    async def release(self, deliveries: Sequence[ClaimedDelivery]) -> None:
        """Give claims back untried: due at once, the attempt not counted. Claims lost meanwhile are left alone."""
        ...

    def paused(self) -> AbstractSet[str]:
        """Targets that are paused; from memory."""
        ...

    def circuits(self) -> Mapping[str, Circuit]:
        """Targets whose circuit is open; from memory."""
        ...

    async def set_circuit(self, target: str, circuit: Circuit | None) -> None:
        """Open a target's circuit or, with None, close it. While it is open nothing is held ready for that target."""
        ...


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of deliveries; `accepted` = `delivered` + `dead` + `pending` + `cancelled` at any moment."""

    accepted: int
    delivered: int
    dead: int
    pending: int
    cancelled: int
    events: int
    """Events received and kept, matched or not."""
    unmatched: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which deliveries to show, or to send again; empty fields match all."""

    state: State | None = None
    bucket: str = ""
    prefix: str = ""
    rule: str = ""
    target: str = ""
    reason: str = ""
    """A part of the last failure's text."""
    event_id: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One delivery as history shows it."""

    id: str
    event_id: str
    target: str
    rule: str
    generation: int
    format: str
    state: State
    attempt: int
    accepted_at: float
    due_at: float
    settled_at: float | None
    reason: str
    event: ObjectEvent
    redelivery_of: str = ""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One kept event as history shows it."""

    id: str
    received_at: float
    generation: int
    event: ObjectEvent


@dataclass(frozen=True, slots=True)
class TargetState:
    """A target that is paused, and why."""

    target: str
    paused_reason: str
    paused_at: float


class History(Protocol):
    """All that the API, the CLI and the console see."""

    async def stats(self) -> Stats:
        """The counts, read in one snapshot."""
        ...

    async def recount(self) -> Stats:
        """The same counts from the deliveries themselves and a note of how many were cleaned up: they must agree.

        Reads everything, so it takes its time; meant for a check now and then.
        """
        ...

    async def pending_by_target(self) -> Mapping[str, tuple[int, float]]:
        """For each target with something waiting: how many, and since when the oldest does."""
        ...

    async def find(
        self, query: Query, *, limit: int, before: int | None = None
    ) -> tuple[Sequence[DeliveryRecord], int | None]:
        """Deliveries, newest first, and where the next page begins (None when there is no more)."""
        ...

    async def get(self, delivery_id: str) -> DeliveryRecord | None:
        """One delivery."""
        ...

    async def attempts_of(self, delivery_id: str) -> Sequence[Attempt]:
        """Every try of a delivery, in order."""
        ...

    async def event(self, event_id: str) -> EventRecord | None:
        """One kept event."""
        ...

    async def redeliver(self, query: Query, *, limit: int) -> int:
        """Make a new pending delivery of each dead letter that matches, naming the old one; how many were made.

        A dead letter that was redelivered already is left out.
        """
        ...

    async def redeliverable(self, query: Query) -> int:
        """How many dead letters match and were not sent again: what `redeliver` would make without its limit."""
        ...

    async def replay(
        self, query: Query, *, target: str, rule: str, limit: int, after: int = 0
    ) -> tuple[int, int | None]:
        """Make a new delivery to `target`, under this rule's name, of each kept event that matches, oldest first.

        Of a query only bucket, prefix, event id and times count. How many were made, and `after` for the next call
        (None when there is no more).
        """
        ...

    async def replayable(self, query: Query) -> int:
        """How many kept events match."""
        ...

    async def purge(self, query: Query, *, limit: int) -> int:
        """Give dead letters up for good: they count as cancelled and are cleaned up with their event; how many were."""
        ...

    async def cancel(self, query: Query, *, limit: int) -> int:
        """End pending deliveries that match, unless they are being tried at this moment; how many were."""
        ...

    async def paused_targets(self) -> Sequence[TargetState]:
        """Targets that get nothing until resumed."""
        ...

    async def pause(self, target: str, reason: str) -> None:
        """Give this target nothing until it is resumed."""
        ...

    async def resume(self, target: str) -> None:
        """Let this target's deliveries go on; an open circuit is closed."""
        ...

    def circuits(self) -> Mapping[str, Circuit]:
        """Targets that are left alone because they failed too often in a row."""
        ...


class Backend(EventLog, DeliveryQueue, History, Protocol):
    """An engine that plays all three roles."""

    async def open(self) -> None:
        """Make or migrate its tables, take back what an earlier process had claimed, begin."""
        ...

    async def close(self) -> None:
        """Finish what was handed in, give claims back, let go."""
        ...

    async def clean_up(self, *, delivered_before: float, limit: int) -> int:
        """Forget up to `limit` events whose deliveries all ended well before this time; how many. Dead letters stay."""
        ...

    def healthy(self) -> str:
        """Empty when it accepts; else why not, in words."""
        ...
