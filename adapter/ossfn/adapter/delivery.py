"""One event on its way to one target: what is kept, what is tried, what a try meant and what follows. Pure values."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from ossfn.adapter.events import ObjectEvent

State = Literal["pending", "delivered", "dead", "cancelled"]
"""Where a delivery is; every accepted delivery is in exactly one of them (conservation)."""


@dataclass(frozen=True, slots=True)
class Order:
    """A place among the deliveries that share `key`: they go one at a time, the lowest `position` first.

    `drop_stale`: not at all after one with a higher position was delivered.
    """

    key: str
    position: str
    drop_stale: bool = False


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery as ingest makes it, before anything was tried.

    `target` is a target id: `function:NAME` or `callback:URL`. One with a reason in `refused` is a dead letter at once.
    """

    id: str
    target: str
    rule: str
    format: str = "structured"
    order: Order | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted event with its deliveries (none when no rule wanted it): what `EventLog.append` keeps."""

    event_id: str
    event: ObjectEvent
    received_at: float
    """Unix seconds."""
    generation: int
    """The generation of the bucket's rules that matched it; 0 when the bucket has none."""
    identity: str | None
    """Two entries with one identity are one event; None is never a duplicate."""
    deliveries: tuple[NewDelivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery: one event, one target, the number of this attempt (from 1).

    `receipt` is read by the backend only.
    """

    id: str
    event_id: str
    event: ObjectEvent
    target: str
    rule: str
    generation: int
    format: str
    attempt: int
    accepted_at: float
    receipt: int
    lease_until: float = inf
    """Unix seconds; after this somebody else may have it."""
    ordered: bool = False


def position(event: ObjectEvent) -> str:
    """Where an event stands among those of its key, as text that sorts: by sequencer, else by version, else by time.

    Only positions that begin with the same letter tell which event is newer.
    """
    if event.sequencer:
        # Padding the shorter with zeros on the right compares like leaving such zeros away on both.
        return "s" + event.sequencer.upper().rstrip("0")
    if event.version_id and event.version_id.isascii() and event.version_id.isdecimal():
        return f"v{event.version_id:0>40}"
    return "t" + event.time.removesuffix("Z")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The target took it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It may work later; `retry_after` in seconds when the target said so."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It never will: kept as a dead letter at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the target wants nothing any more; it is paused and its deliveries wait for an operator."""

    reason: str


Outcome = Accepted | Failed | Refused | Gone


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, as the record keeps it."""

    number: int
    started_at: float
    """Unix seconds."""
    seconds: float
    status: int | None
    """HTTP status, None when there was no answer."""
    reason: str
    """Empty when the target took it."""
    answer: bytes = b""
    """The first 16 KiB of the answer's body, only for tries that failed."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again no earlier than this (Unix seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Given up, kept with its reason and every attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class PauseTarget:
    """The delivery stays pending; its target gets nothing until it is resumed."""

    reason: str


NextStep = Delivered | RetryAt | DeadLetter | PauseTarget


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one claimed delivery."""

    delivery: Delivery
    attempt: Attempt
    step: NextStep


@dataclass(frozen=True, slots=True)
class Circuit:
    """A target that failed too often in a row gets nothing until `open_until` (Unix seconds), then one try as a probe.

    `opened` counts how often in a row that was; a target without one is asked as usual.
    """

    opened: int
    open_until: float
