"""What comes into the outbox on SQLite and what comes of it: append and settle. Synchronous, one connection.

These statements go to the driver directly (`executemany`): every delivery passes through them.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from ossfn.adapter.backends.sqlite.work import Append, Kept, Settle
from ossfn.adapter.codec import encode_event
from ossfn.adapter.delivery import (
    DeadLetter,
    Delivered,
    Entry,
    PauseTarget,
    RetryAt,
    Settlement,
)

_CHUNK = 500  # values in one `IN (…)`, well under SQLite's limit


class Outbox:
    """The tables behind one connection; after a transaction that failed a new one must be made."""

    def __init__(self, connection: sqlite3.Connection, lease_seconds: float, duplicate_window_seconds: float) -> None:
        self.connection = connection
        self._lease = lease_seconds
        self._window = duplicate_window_seconds
        self._targets: dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        """Look again which numbers are free: something else has made rows."""
        self._next_event = self._next("events")
        self._next_delivery = self._next("deliveries")

    def _next(self, table: str) -> int:
        (highest,) = self.connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()
        return int(highest) + 1

    def append(self, work: Sequence[Append]) -> list[list[Kept]]:
        """Keep all entries of all pieces; one answer for each piece."""
        known = self._known([entry for piece in work for entry in piece.entries], work[0].now)
        event_rows: list[tuple[Any, ...]] = []
        delivery_rows: list[tuple[Any, ...]] = []
        answers = [[self._keep(piece, known, event_rows, delivery_rows, at) for at in _spans(piece)] for piece in work]
        self.connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", event_rows)
        self.connection.executemany(
            "INSERT INTO deliveries (seq, event_seq, number, target_seq, rule, generation, format, state, attempt,"
            " due_at, leased, accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?)",
            delivery_rows,
        )
        kept = [k for answer in answers for k in answer]
        count(
            self.connection,
            accepted=len(delivery_rows),
            events=len(event_rows),
            unmatched=sum(
                k.new and not e.deliveries
                for p, a in zip(work, answers, strict=True)
                for e, k in zip(p.entries, a, strict=True)
            ),
            duplicates=sum(not k.new for k in kept),
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

    def _keep(
        self,
        piece: Append,
        known: set[object],
        event_rows: list[tuple[Any, ...]],
        delivery_rows: list[tuple[Any, ...]],
        at: tuple[Entry, int],
    ) -> Kept:
        entry, first = at
        identity = None if entry.identity is None else digest(entry.identity)
        if entry.event_id in known or (identity is not None and identity in known):
            return Kept(new=False)
        known.add(entry.event_id)
        if identity is not None:
            known.add(identity)
        event, seq, receipt = entry.event, self._next_event, self._next_delivery
        self._next_event += 1
        self._next_delivery += len(entry.deliveries)
        event_rows.append(
            (
                seq,
                entry.event_id,
                identity,
                entry.received_at,
                entry.generation,
                event.bucket,
                event.key,
                encode_event(event),
            )
        )
        for number, new in enumerate(entry.deliveries):
            leased = piece.leased[first + number]
            due = piece.now + self._lease if leased else entry.received_at
            delivery_rows.append(
                (receipt + number, seq, number, self._target(new.target), new.rule, entry.generation, new.format,
                 int(leased), due, int(leased), entry.received_at)
            )  # fmt: skip
        return Kept(new=True, first_receipt=receipt)

    def _target(self, target: str) -> int:
        """The number of a target, given to it now if it has none."""
        seq = self._targets.get(target)
        if seq is None:
            self.connection.execute("INSERT OR IGNORE INTO targets (id) VALUES (?)", (target,))
            (seq,) = self.connection.execute("SELECT seq FROM targets WHERE id = ?", (target,)).fetchone()
            self._targets[target] = int(seq)
        return int(seq)

    def settle(self, work: Sequence[Settle]) -> list[int]:
        """Record attempts and steps; a step whose claim is no longer the current one changes nothing.

        How many deliveries came to their end (the whole group's number stands with its first piece).
        """
        settlements = [(s, piece.now) for piece in work for s in piece.settlements]
        self.connection.executemany(
            "INSERT INTO attempts (delivery_seq, number, started_at, seconds, status, reason, answer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (s.delivery.receipt, s.attempt.number, s.attempt.started_at, s.attempt.seconds, s.attempt.status,
                 s.attempt.reason, s.attempt.answer)
                for s, _ in settlements
            ],
        )  # fmt: skip
        rows = [_settled(s, now) for s, now in settlements]
        counts = self._settle_all(rows)
        count(self.connection, delivered=counts["delivered"], dead=counts["dead"])
        for s, now in settlements:
            if isinstance(s.step, PauseTarget):
                self.connection.execute(
                    "UPDATE targets SET paused_reason = ?, paused_at = ? WHERE id = ?",
                    (s.step.reason, now, s.delivery.target),
                )
        return [counts["delivered"] + counts["dead"]] + [0] * (len(work) - 1)

    def _settle_all(self, rows: list[tuple[Any, ...]]) -> Counter[str]:
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
        return Counter(row[0] for row in rows)


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


def count(connection: sqlite3.Connection, **amounts: int) -> None:
    """Add to the counters."""
    connection.executemany(
        "UPDATE counters SET value = value + ? WHERE name = ?", [(n, name) for name, n in amounts.items() if n]
    )


def _in(statement: str, values: Sequence[object]) -> str:
    return f"{statement} IN ({','.join('?' * len(values))})"
