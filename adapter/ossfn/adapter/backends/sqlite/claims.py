"""Who may try what: claims on due deliveries in SQLite, and their end. Synchronous, one connection."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from ossfn.adapter.backends.sql_order import HELD
from ossfn.adapter.backends.sqlite.outbox import count, delivery_id
from ossfn.adapter.backends.sqlite.work import Claim, Claimed, Release
from ossfn.adapter.codec import DamagedEvent, decode_event
from ossfn.adapter.delivery import Delivery

_LONGEST_DELAY_SECONDS = 30 * 3600
"""No retry policy waits longer between two tries."""


def claim(connection: sqlite3.Connection, work: Claim, lease_seconds: float) -> Claimed:
    """Due deliveries, targets in turns; with more targets than places, others come first each time."""
    waiting = _waiting_targets(connection)
    next_due = min((due for _, _, due in waiting if due > work.now), default=float("inf"))
    ready = [(seq, name) for seq, name, due in waiting if due <= work.now]
    start = int(work.now * 1000) % max(1, len(ready))
    share = max(1, work.limit // max(1, len(ready)))
    taken: list[Delivery] = []
    damaged: set[int] = set()
    crowded = set()
    for seq, name in ready[start:] + ready[:start]:
        room = work.room.get(name, work.default_room)
        got, bad = _claim_of(connection, seq, name, min(room, share, work.limit - len(taken)), work.now, lease_seconds)
        taken += got
        damaged |= bad
        due = _next_due(connection, seq) if got or bad else work.now
        if due <= work.now and len(got) >= room:
            crowded.add(name)  # asked again when its deliveries settle
        else:
            next_due = min(next_due, due)
    count(connection, dead=len(damaged))
    return Claimed(taken, next_due, frozenset(crowded), frozenset(damaged))


def _waiting_targets(connection: sqlite3.Connection) -> list[tuple[int, str, float]]:
    """Targets with anything pending that are not paused, and when their first is due.

    By hopping through the index, not by reading it.
    """
    rows = connection.execute(
        "WITH RECURSIVE hop(seq) AS ("
        " SELECT min(target_seq) FROM deliveries WHERE state = 'pending' UNION ALL"
        " SELECT (SELECT min(target_seq) FROM deliveries WHERE state = 'pending' AND target_seq > hop.seq)"
        " FROM hop WHERE hop.seq IS NOT NULL)"
        " SELECT t.seq, t.id, (SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND target_seq = t.seq)"
        " FROM hop JOIN targets t ON t.seq = hop.seq WHERE t.paused_reason IS NULL"
    )
    return [(int(seq), str(target), float(due)) for seq, target, due in rows]


def _next_due(connection: sqlite3.Connection, target_seq: int) -> float:
    (due,) = connection.execute(
        "SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND target_seq = ?", (target_seq,)
    ).fetchone()
    return float("inf") if due is None else float(due)


def _claim_of(
    connection: sqlite3.Connection, target_seq: int, target: str, room: int, now: float, lease_seconds: float
) -> tuple[list[Delivery], set[int]]:
    """Up to `room` due deliveries of one target, and the receipts of those that were damaged."""
    if room <= 0:
        return [], set()
    due = connection.execute(
        "SELECT d.seq, d.number, d.rule, d.generation, d.format, d.attempt, d.accepted_at, d.order_key IS NOT NULL,"
        " e.id, e.event"
        " FROM deliveries d JOIN events e ON e.seq = d.event_seq"
        " WHERE d.state = 'pending' AND d.target_seq = ? AND d.due_at <= ? ORDER BY d.due_at LIMIT ?",
        (target_seq, now, room),
    )
    rows = _fitting(due, room)
    until = now + lease_seconds
    connection.executemany(
        "UPDATE deliveries SET attempt = attempt + 1, due_at = ?, leased = 1 WHERE seq = ?",
        [(until, row[0]) for row in rows],
    )
    taken, damaged = [], set()
    for row in rows:
        try:
            taken.append(_read(row, target, until))
        except DamagedEvent as fault:  # it must not hold up the others for ever
            connection.execute(
                "UPDATE deliveries SET state = 'dead', settled_at = ?, leased = 0, reason = ? WHERE seq = ?",
                (now, str(fault), row[0]),
            )
            damaged.add(int(row[0]))
    return taken, damaged


def _fitting(rows: Iterable[tuple[Any, ...]], room: int) -> list[tuple[Any, ...]]:
    """As many as there are places for, one at least: a large event takes more than one (see `events.places`)."""
    fitting: list[tuple[Any, ...]] = []
    for row in rows:
        room -= 1 + len(row[-1]) // 65536
        if fitting and room < 0:
            break
        fitting.append(row)
    return fitting


def release(connection: sqlite3.Connection, work: Release) -> None:
    """Give claims back untried: due at once, the attempt not counted."""
    connection.executemany(
        "UPDATE deliveries SET due_at = ?, leased = 0, attempt = attempt - 1"
        " WHERE seq = ? AND attempt = ? AND leased = 1 AND state = 'pending'",
        [(work.now, d.receipt, d.attempt) for d in work.deliveries],
    )


def recover(connection: sqlite3.Connection, now: float) -> None:
    """Make due what an earlier process had claimed and never settled, and what a clock that was ahead put off."""
    connection.execute("UPDATE deliveries SET due_at = ?, leased = 0 WHERE state = 'pending' AND leased = 1", (now,))
    connection.execute(
        "UPDATE deliveries SET due_at = ? WHERE state = 'pending' AND due_at < ? AND (due_at > ? OR accepted_at > ?)",
        (now, HELD, now + _LONGEST_DELAY_SECONDS, now + 60),
    )


def _read(row: Sequence[Any], target: str, lease_until: float) -> Delivery:
    """A claimed row as a value; raises DamagedEvent."""
    seq, number, rule, generation, format_, attempt, accepted_at, ordered, event_id, event = row
    return Delivery(
        id=delivery_id(event_id, number), event_id=event_id, event=decode_event(event), target=target, rule=rule,
        generation=generation, format=format_, attempt=attempt + 1, accepted_at=accepted_at, receipt=seq,
        lease_until=lease_until, ordered=bool(ordered),
    )  # fmt: skip
