"""What operators and time change in an outbox in SQL, on any engine: send again, replay, cancel, pause, clean up.

Every function runs inside a transaction of its caller and takes its time as an argument.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

from sqlalchemy import Connection, text

from ossfn.adapter.backend import Query
from ossfn.adapter.backends.sql_history import FROM, and_, where_of, where_of_events
from ossfn.adapter.backends.sql_order import HELD, follow, forget, keys_of
from ossfn.adapter.delivery import Circuit

_LOOKED_AT = 1000
"""Events that one step of the clean-up looks at: a few milliseconds on the thread that also takes new ones."""


def count(connection: Connection, **amounts: int) -> None:
    """Add to the counters."""
    for name, n in amounts.items():
        connection.execute(text("UPDATE counters SET value = value + :n WHERE name = :name"), {"n": n, "name": name})


def touch(connection: Connection) -> None:
    """Write something that changes nothing, to see whether it can be written."""
    connection.execute(text("UPDATE counters SET value = value"))


def redeliver(connection: Connection, query: Query, limit: int, now: float) -> int:
    """A new delivery for each dead letter that matches and was not sent again before."""
    where, values = where_of(replace(query, state="dead"))
    rows = connection.execute(
        text(f"SELECT d.seq {FROM}{and_([*where, 'd.redelivered = 0'])} ORDER BY d.seq LIMIT :limit"),
        values | {"limit": limit},
    ).all()
    for (seq,) in rows:
        connection.execute(
            text(
                "INSERT INTO deliveries (event_seq, number, target_seq, rule, generation, format, state, attempt,"
                " due_at, leased, accepted_at, redelivery_of, order_key, position, drop_stale)"
                " SELECT d.event_seq, (SELECT max(number) + 1 FROM deliveries WHERE event_seq = d.event_seq),"
                " d.target_seq, d.rule, d.generation, d.format, 'pending', 0,"
                " CASE WHEN d.order_key IS NULL THEN :now ELSE :held END, 0, :now, e.id || '-' || d.number,"
                " d.order_key, d.position, d.drop_stale"
                " FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE d.seq = :seq"
            ),
            {"now": now, "held": HELD, "seq": seq},
        )
        connection.execute(text("UPDATE deliveries SET redelivered = 1 WHERE seq = :seq"), {"seq": seq})
    count(connection, accepted=len(rows))
    _follow_all(connection, [seq for (seq,) in rows], now)
    return len(rows)


def purge(connection: Connection, query: Query, limit: int, now: float) -> int:
    """Turn dead letters into cancelled deliveries, which are forgotten with their event after the retention time."""
    where, values = where_of(replace(query, state="dead"))
    rows = connection.execute(
        text(f"SELECT d.seq {FROM}{and_(where)} ORDER BY d.seq LIMIT :limit"), values | {"limit": limit}
    ).all()
    for (seq,) in rows:
        connection.execute(
            text("UPDATE deliveries SET state = 'cancelled', settled_at = :now WHERE seq = :seq"),
            {"seq": seq, "now": now},
        )
    count(connection, dead=-len(rows), cancelled=len(rows))
    return len(rows)


def replay(
    connection: Connection, query: Query, target: str, rule: str, after: int, limit: int, now: float
) -> tuple[int, int | None]:
    """A new delivery to this target of each past event that matches, oldest first; how many, and where to go on."""
    where, values = where_of_events(query)
    rows = connection.execute(
        text(f"SELECT e.seq FROM events e{and_([*where, 'e.seq > :after'])} ORDER BY e.seq LIMIT :limit"),
        values | {"after": after, "limit": limit},
    ).all()
    connection.execute(text("INSERT INTO targets (id) VALUES (:id) ON CONFLICT (id) DO NOTHING"), {"id": target})
    for (seq,) in rows:
        connection.execute(
            text(
                "INSERT INTO deliveries (event_seq, number, target_seq, rule, generation, format, state, attempt,"
                " due_at, leased, accepted_at) SELECT e.seq,"
                " (SELECT coalesce(max(number), -1) + 1 FROM deliveries WHERE event_seq = e.seq), t.seq, :rule,"
                " e.generation, 'structured', 'pending', 0, :now, 0, :now FROM events e, targets t"
                " WHERE e.seq = :seq AND t.id = :target"
            ),
            {"seq": seq, "target": target, "rule": rule, "now": now},
        )
    count(connection, accepted=len(rows))
    return len(rows), (int(rows[-1].seq) if len(rows) == limit else None)


def cancel(connection: Connection, query: Query, limit: int, now: float) -> int:
    """End pending deliveries that nobody is trying at this moment."""
    where, values = where_of(replace(query, state="pending"))
    rows = connection.execute(
        text(f"SELECT d.seq {FROM}{and_([*where, 'd.leased = 0'])} ORDER BY d.seq LIMIT :limit"),
        values | {"limit": limit},
    ).all()
    for (seq,) in rows:
        connection.execute(
            text(
                "UPDATE deliveries SET state = 'cancelled', settled_at = :now, reason = 'cancelled by an operator'"
                " WHERE seq = :seq"
            ),
            {"seq": seq, "now": now},
        )
    count(connection, cancelled=len(rows))
    _follow_all(connection, [seq for (seq,) in rows], now)
    return len(rows)


def _follow_all(connection: Connection, changed: Iterable[int], now: float) -> None:
    """Let the next of each key go that these deliveries belong to, if they are ordered."""
    count(connection, cancelled=follow(connection, keys_of(connection, changed), now))


def pause(connection: Connection, target: str, reason: str, now: float) -> None:
    """Give the target nothing from now on."""
    connection.execute(text("INSERT INTO targets (id) VALUES (:id) ON CONFLICT (id) DO NOTHING"), {"id": target})
    connection.execute(
        text("UPDATE targets SET paused_reason = :reason, paused_at = :now WHERE id = :id"),
        {"reason": reason, "now": now, "id": target},
    )


def resume(connection: Connection, target: str) -> None:
    """Let the target's deliveries go on."""
    connection.execute(text("UPDATE targets SET paused_reason = NULL, paused_at = NULL WHERE id = :id"), {"id": target})
    set_circuit(connection, target, None)


def set_circuit(connection: Connection, target: str, circuit: Circuit | None) -> None:
    """Open or close a target's circuit."""
    connection.execute(
        text("UPDATE targets SET opened = :opened, open_until = :until WHERE id = :id"),
        {"id": target, "opened": circuit.opened if circuit else 0, "until": circuit.open_until if circuit else None},
    )


def clean_up(connection: Connection, before: float, limit: int, after: int) -> tuple[int, int | None]:
    """Look at some of the events that follow number `after`, and forget up to `limit` that ended well before a time.

    How many were forgotten, and where to look on (None: what follows is too young).
    """
    looked_at = connection.execute(
        text("SELECT seq, received_at FROM events WHERE seq > :after ORDER BY seq LIMIT :some"),
        {"after": after, "some": _LOOKED_AT},
    ).all()
    old = [row.seq for row in takewhile(lambda row: row.received_at < before, looked_at)]
    if not old:
        forget(connection, before, limit)
        return 0, None
    rows = connection.execute(
        text(
            "SELECT e.seq FROM events e WHERE e.seq BETWEEN :first AND :last AND NOT EXISTS (SELECT 1 FROM deliveries d"
            " WHERE d.event_seq = e.seq AND (d.state IN ('pending', 'dead') OR d.settled_at >= :before))"
            " ORDER BY e.seq LIMIT :limit"
        ),
        {"first": old[0], "last": old[-1], "before": before, "limit": limit},
    ).scalars()
    seqs = [{"seq": seq} for seq in rows]
    if seqs:
        connection.execute(
            text("DELETE FROM attempts WHERE delivery_seq IN (SELECT seq FROM deliveries WHERE event_seq = :seq)"), seqs
        )
        for state in ("delivered", "cancelled"):  # noted, so that what is forgotten stays in the balance
            gone = text(f"DELETE FROM deliveries WHERE event_seq = :seq AND state = '{state}'")
            count(connection, **{f"past_{state}": connection.execute(gone, seqs).rowcount})
        connection.execute(text("DELETE FROM events WHERE seq = :seq"), seqs)
    return len(seqs), (seqs[-1]["seq"] if len(seqs) == limit else old[-1])
