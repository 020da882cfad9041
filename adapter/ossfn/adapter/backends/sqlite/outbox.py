"""What comes into the outbox on SQLite and what comes of it: append and settle. Synchronous, one connection.

These statements go to the driver directly (`executemany`): every delivery passes through them.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from ossfn.adapter.backends.sql_order import HELD
from ossfn.adapter.backends.sqlite.work import Append, Kept, Settle
from ossfn.adapter.codec import encode_event
from ossfn.adapter.delivery import (
    DeadLetter,
    Delivered,
    Entry,
    NewDelivery,
    Order,
    PauseTarget,
    RetryAt,
    Settlement,
)

_CHUNK = 500  # values in one `IN (…)`, well under SQLite's limit
_DELIVERY_COLUMNS = (
    "seq, event_seq, number, target_seq, rule, generation, format, state, attempt, due_at, leased, accepted_at,"
    " settled_at, reason, order_key, position, drop_stale"
)


@dataclass(slots=True)
class Touched:
    """Ordered deliveries that a transaction has changed: who goes next among their keys must be looked at again."""

    keys: set[bytes] = field(default_factory=set)
    receipts: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _New:
    """Rows for what is appended."""

    known: set[object]
    """Event ids and identities that are kept already."""
    events: list[tuple[Any, ...]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    dead: int = 0
    unmatched: int = 0


class Outbox:
    """The tables behind one connection; after a transaction that failed a new one must be made."""

    def __init__(self, connection: sqlite3.Connection, lease_seconds: float, duplicate_window_seconds: float) -> None:
        self.connection = connection
        self.touched = Touched()
        self._lease = lease_seconds
        self._window = duplicate_window_seconds
        self._targets: dict[str, int] = {}
        self._next_event = self._next_delivery = 1
        self.forget()

    def forget(self) -> None:
        """Look again which numbers are free: something else has made rows. None is used twice while this lives."""
        self._next_event = max(self._next_event, self._next("events"))
        self._next_delivery = max(self._next_delivery, self._next("deliveries"))

    def _next(self, table: str) -> int:
        (highest,) = self.connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()
        return int(highest) + 1

    def append(self, work: Sequence[Append]) -> list[list[Kept]]:
        """Keep all entries of all pieces; one answer for each piece."""
        new = _New(self._known([entry for piece in work for entry in piece.entries], work[0].now))
        answers = [[self._keep(piece, entry, first, new) for entry, first in _spans(piece)] for piece in work]
        self.connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", new.events)
        marks = ", ".join("?" * (_DELIVERY_COLUMNS.count(",") + 1))
        self.connection.executemany(f"INSERT INTO deliveries ({_DELIVERY_COLUMNS}) VALUES ({marks})", new.deliveries)
        count(
            self.connection,
            accepted=len(new.deliveries),
            dead=new.dead,
            events=len(new.events),
            unmatched=new.unmatched,
            duplicates=sum(not kept.new for answer in answers for kept in answer),
        )
        return answers

    def _known(self, entries: Sequence[Entry], now: float) -> set[object]:
        """Event ids, and identities inside the window, that are kept already."""
        ids = [entry.event_id for entry in entries]
        identities = [digest(entry.identity) for entry in entries if entry.identity is not None]
        known: set[object] = set()
        for chunk in _chunks(ids):
            known.update(row[0] for row in self.connection.execute(_in("SELECT id FROM events WHERE id", chunk), chunk))
        for chunk in _chunks(identities):
            statement = _in("SELECT identity FROM events WHERE received_at > ? AND identity", chunk)
            known.update(row[0] for row in self.connection.execute(statement, [now - self._window, *chunk]))
        return known

    def _keep(self, piece: Append, entry: Entry, first: int, new: _New) -> Kept:
        """One entry's rows; `first` is the place of its first delivery in `leased`."""
        identity = None if entry.identity is None else digest(entry.identity)
        names = {entry.event_id, identity} - {None}
        if names & new.known:
            return Kept(new=False)
        new.known |= names
        event, seq, receipt = entry.event, self._next_event, self._next_delivery
        self._next_event += 1
        self._next_delivery += len(entry.deliveries)
        kept = (entry.received_at, entry.generation, event.bucket, event.key, encode_event(event))
        new.events.append((seq, entry.event_id, identity, *kept))
        for number, delivery in enumerate(entry.deliveries):
            known_by = (receipt + number, seq, number, self._target(delivery.target), delivery.rule, entry.generation)
            state = self._first_state(delivery, entry, piece.now + self._lease if piece.leased[first + number] else 0)
            new.deliveries.append((*known_by, delivery.format, *state, *self._place(delivery.order)))
            new.dead += bool(delivery.refused)
        new.unmatched += not entry.deliveries
        return Kept(new=True, first_receipt=receipt)

    def _first_state(self, delivery: NewDelivery, entry: Entry, leased_until: float) -> tuple[Any, ...]:
        """(state, attempt, due_at, leased, accepted_at, settled_at, reason)."""
        at = entry.received_at
        if delivery.refused:
            return ("dead", 0, at, 0, at, at, delivery.refused)
        if leased_until:
            return ("pending", 1, leased_until, 1, at, None, "")
        return ("pending", 0, HELD if delivery.order else at, 0, at, None, "")

    def _place(self, order: Order | None) -> tuple[bytes | None, str, int]:
        """(order_key, position, drop_stale)."""
        if order is None:
            return (None, "", 0)
        key = digest(order.key)
        self.touched.keys.add(key)
        return (key, order.position, int(order.drop_stale))

    def _target(self, target: str) -> int:
        """The number of a target, given to it now if it has none."""
        seq = self._targets.get(target)
        if seq is None:
            self.connection.execute("INSERT OR IGNORE INTO targets (id) VALUES (?)", (target,))
            (seq,) = self.connection.execute("SELECT seq FROM targets WHERE id = ?", (target,)).fetchone()
            self._targets[target] = int(seq)
        return int(seq)

    def settle(self, work: Sequence[Settle]) -> frozenset[int]:
        """Record attempts and steps; a step whose claim is no longer the current one changes nothing.

        The receipts of those that changed something.
        """
        settlements = [(s, piece.now) for piece in work for s in piece.settlements]
        # One that was recorded already is handed in again when nobody could tell whether it had been.
        self.connection.executemany(
            "INSERT INTO attempts (delivery_seq, number, started_at, seconds, status, reason, answer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (s.delivery.receipt, s.attempt.number, s.attempt.started_at, s.attempt.seconds, s.attempt.status,
                 s.attempt.reason, s.attempt.answer)
                for s, _ in settlements
            ],
        )  # fmt: skip
        rows = self._settle_all([_settled(s, now) for s, now in settlements])
        changed = frozenset(row[4] for row in rows)
        counts = Counter(row[0] for row in rows)
        count(self.connection, delivered=counts["delivered"], dead=counts["dead"])
        for s, now in settlements:
            if isinstance(s.step, PauseTarget) and s.delivery.receipt in changed:
                self.connection.execute(  # an older reason stays: what gave it waits for its own answer
                    "UPDATE targets SET paused_reason = ?, paused_at = ? WHERE id = ? AND paused_reason IS NULL",
                    (s.step.reason, now, s.delivery.target),
                )
        ordered = {s.delivery.receipt for s, _ in settlements if s.delivery.ordered}
        self.touched.receipts |= ordered
        if ordered:
            self.touched.delivered |= ordered & {row[4] for row in rows if row[0] == "delivered"}
        return changed

    def _settle_all(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows that changed something."""
        statement = (
            "UPDATE deliveries SET state = ?, due_at = ?, settled_at = ?, reason = ?, leased = 0"
            " WHERE seq = ? AND attempt = ? AND leased = 1 AND state = 'pending'"
        )
        self.connection.execute("SAVEPOINT settling")
        changed = self.connection.executemany(statement, rows).rowcount
        if changed != len(rows):  # some claim was lost to somebody else: find out which, one by one
            self.connection.execute("ROLLBACK TO settling")
            rows = [row for row in rows if self.connection.execute(statement, row).rowcount]
        self.connection.execute("RELEASE settling")
        return rows


def count(connection: sqlite3.Connection, **amounts: int) -> None:
    """Add to the counters."""
    connection.executemany(
        "UPDATE counters SET value = value + ? WHERE name = ?", [(n, name) for name, n in amounts.items() if n]
    )


def delivery_id(event_id: str, number: int) -> str:
    """A delivery is named after its event: the same on every attempt."""
    return f"{event_id}-{number}"


def digest(identity: str) -> bytes:
    """An identity as 16 bytes, so that the index stays small."""
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()


def _settled(settlement: Settlement, now: float) -> tuple[Any, ...]:
    """(state, due_at, settled_at, reason, receipt, attempt) as the update wants them."""
    d, reason = settlement.delivery, settlement.attempt.reason
    match settlement.step:
        case Delivered():
            return ("delivered", now, now, "", d.receipt, d.attempt)
        case RetryAt(at):
            return ("pending", at, None, reason, d.receipt, d.attempt)
        case DeadLetter(why):
            return ("dead", now, now, why, d.receipt, d.attempt)
        case PauseTarget(why):
            return ("pending", now, None, why, d.receipt, d.attempt)
        case _ as never:
            assert_never(never)


def _spans(piece: Append) -> Iterator[tuple[Entry, int]]:
    """Each entry with the place of its first delivery in `leased`."""
    first = 0
    for entry in piece.entries:
        yield entry, first
        first += len(entry.deliveries)


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _in(statement: str, values: Sequence[object]) -> str:
    return f"{statement} IN ({','.join('?' * len(values))})"
