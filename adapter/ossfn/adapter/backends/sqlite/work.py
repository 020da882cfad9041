"""The pieces of work that the SQLite outbox's writer thread takes, and what comes of them. Values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ossfn.adapter.delivery import Delivery, Entry, Settlement


@dataclass(frozen=True, slots=True)
class Append:
    """Keep these entries; `leased` says for each delivery, in order, whether it is claimed from the start."""

    entries: Sequence[Entry]
    leased: Sequence[bool]
    now: float


@dataclass(frozen=True, slots=True)
class Settle:
    """Record these settlements."""

    settlements: Sequence[Settlement]
    now: float


@dataclass(frozen=True, slots=True)
class Call:
    """Anything else that writes."""

    function: Callable[[Connection, float], Any]
    now: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Take due deliveries."""

    limit: int
    room: Mapping[str, int]
    default_room: int
    now: float


@dataclass(frozen=True, slots=True)
class Release:
    """Give claims back untried."""

    deliveries: Sequence[Delivery]
    now: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim took, when the next that it left is due (inf: none), and which targets had no room for more."""

    deliveries: list[Delivery]
    next_due: float
    crowded: frozenset[str]
    damaged: frozenset[int]
    """Receipts of those that could not be read and are dead letters now."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one entry: whether it was new, and the receipt of its first delivery (the others follow)."""

    new: bool
    first_receipt: int = 0
