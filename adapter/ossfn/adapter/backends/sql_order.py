"""Deliveries that must go in order, in SQL on any engine: the first of each key is due, the others wait behind it."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

HELD = 253_402_300_799.0
"""The due time of a delivery that waits behind another: the last second of the year 9999."""


def follow(connection: Connection, keys: Iterable[bytes], now: float) -> int:
    """Let the first delivery of each key go when none is being tried; how many were dropped as stale.

    To be called, in the same transaction, for every key whose deliveries have changed.
    """
    return sum(_follow(connection, key, now) for key in keys)


def note_delivered(connection: Connection, receipt: int) -> None:
    """Remember how far the key of this delivery has come."""
    connection.execute(
        text(
            "UPDATE order_keys SET position = (SELECT position FROM deliveries WHERE seq = :seq)"
            " WHERE order_key = (SELECT order_key FROM deliveries WHERE seq = :seq) AND (position IS NULL OR"
            " substr(position, 1, 1) <> (SELECT substr(position, 1, 1) FROM deliveries WHERE seq = :seq) OR"
            " position < (SELECT position FROM deliveries WHERE seq = :seq))"
        ),
        {"seq": receipt},
    )


def keys_of(connection: Connection, receipts: Iterable[int]) -> set[bytes]:
    """The keys of those among these deliveries that are ordered."""
    statement = text("SELECT order_key FROM deliveries WHERE seq = :seq AND order_key IS NOT NULL")
    found = (connection.execute(statement, {"seq": receipt}).scalar() for receipt in receipts)
    return {bytes(key) for key in found if key is not None}


def forget(connection: Connection, before: float, limit: int) -> None:
    """Forget keys of which nothing waits and nothing happened since `before`."""
    connection.execute(
        text(
            "DELETE FROM order_keys WHERE order_key IN (SELECT k.order_key FROM order_keys k"
            " WHERE k.touched_at < :before AND NOT EXISTS"
            " (SELECT 1 FROM deliveries d WHERE d.order_key = k.order_key AND d.state = 'pending') LIMIT :limit)"
        ),
        {"before": before, "limit": limit},
    )


def _follow(connection: Connection, key: bytes, now: float) -> int:
    connection.execute(
        text(
            "INSERT INTO order_keys (order_key, touched_at) VALUES (:key, :now)"
            " ON CONFLICT (order_key) DO UPDATE SET touched_at = :now"
        ),
        {"key": key, "now": now},
    )
    known = connection.execute(
        text(
            "SELECT k.head, d.leased FROM order_keys k LEFT JOIN deliveries d"
            " ON d.seq = k.head AND d.order_key = k.order_key AND d.state = 'pending' WHERE k.order_key = :key"
        ),
        {"key": key},
    ).one()
    if known.leased:
        return 0
    dropped = _drop_stale(connection, key, now)
    first = connection.execute(
        text("SELECT seq FROM deliveries WHERE order_key = :key AND state = 'pending' ORDER BY position, seq LIMIT 1"),
        {"key": key},
    ).scalar()
    if first != known.head:
        due = text("UPDATE deliveries SET due_at = :at WHERE seq = :seq AND order_key = :key AND state = 'pending'")
        connection.execute(due, {"at": HELD, "seq": known.head, "key": key})
        connection.execute(due, {"at": now, "seq": first, "key": key})
        connection.execute(text("UPDATE order_keys SET head = :seq WHERE order_key = :key"), {"seq": first, "key": key})
    return dropped


def _drop_stale(connection: Connection, key: bytes, now: float) -> int:
    return connection.execute(
        text(
            "UPDATE deliveries SET state = 'cancelled', settled_at = :now,"
            " reason = 'stale: a newer event of this key was delivered before'"
            " WHERE order_key = :key AND state = 'pending' AND drop_stale = 1 AND EXISTS (SELECT 1 FROM order_keys k"
            " WHERE k.order_key = deliveries.order_key AND deliveries.position < k.position"
            " AND substr(deliveries.position, 1, 1) = substr(k.position, 1, 1))"
        ),
        {"key": key, "now": now},
    ).rowcount
