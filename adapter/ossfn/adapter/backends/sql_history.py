"""What console, API and CLI ask of an outbox in SQL, on any engine: count, find, send again, pause, clean up.

Every function runs inside a transaction of its caller and takes its time as an argument.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, text

from ossfn.adapter.backend import DeliveryRecord, EventRecord, Query, Stats, TargetState
from ossfn.adapter.backends.sql_order import HELD, follow, forget, keys_of
from ossfn.adapter.codec import readable_event
from ossfn.adapter.delivery import Attempt, Circuit

_FROM = "FROM deliveries d JOIN events e ON e.seq = d.event_seq JOIN targets t ON t.seq = d.target_seq"
_DELIVERY = (
    "SELECT d.seq, d.number, t.id AS target, d.rule, d.generation, d.format, d.state, d.attempt, d.accepted_at,"
    f" d.due_at, d.settled_at, d.reason, d.redelivery_of, e.id AS event_id, e.event {_FROM}"
)
_COUNTED = ("accepted", "delivered", "dead", "cancelled", "events", "unmatched", "duplicates")


def count(connection: Connection, **amounts: int) -> None:
    """Add to the counters."""
    for name, n in amounts.items():
        connection.execute(text("UPDATE counters SET value = value + :n WHERE name = :name"), {"n": n, "name": name})


def touch(connection: Connection) -> None:
    """Write something that changes nothing, to see whether it can be written."""
    connection.execute(text("UPDATE counters SET value = value"))


def stats(connection: Connection) -> Stats:
    """The counters, and what is pending by counting it: the two must agree."""
    counters = _counters(connection)
    pending = connection.execute(text("SELECT count(*) FROM deliveries WHERE state = 'pending'")).scalar_one()
    return Stats(pending=int(pending), **{name: counters[name] for name in _COUNTED})


def recount(connection: Connection) -> Stats:
    """The same counts from the deliveries themselves and from what is noted of those that were forgotten."""
    counters = _counters(connection)
    rows = connection.execute(text("SELECT state, count(*) FROM deliveries GROUP BY state"))
    kept = {str(state): int(n) for state, n in rows}
    by_state = {
        state: kept.get(state, 0) + counters.get(f"past_{state}", 0)
        for state in ("delivered", "dead", "pending", "cancelled")
    }
    told = {name: counters[name] for name in ("events", "unmatched", "duplicates")}
    return Stats(accepted=sum(by_state.values()), **by_state, **told)


def _counters(connection: Connection) -> dict[str, int]:
    return {name: int(value) for name, value in connection.execute(text("SELECT name, value FROM counters"))}


def pending_by_target(connection: Connection) -> dict[str, tuple[int, float]]:
    """Target id → (how many wait, when the oldest was accepted)."""
    rows = connection.execute(
        text(
            "SELECT t.id, count(*), min(d.accepted_at) FROM deliveries d JOIN targets t ON t.seq = d.target_seq"
            " WHERE d.state = 'pending' GROUP BY t.id"
        )
    )
    return {target: (int(n), float(oldest)) for target, n, oldest in rows}


def find(
    connection: Connection, query: Query, limit: int, before: int | None
) -> tuple[list[DeliveryRecord], int | None]:
    """Newest first; the second value is `before` of the next page."""
    where, values = _where(query)
    if before is not None:
        where, values = [*where, "d.seq < :before"], values | {"before": before}
    statement = f"{_DELIVERY}{_and(where)} ORDER BY d.seq DESC LIMIT :limit"
    rows = connection.execute(text(statement), values | {"limit": limit}).all()
    return [_record(row) for row in rows], (rows[-1].seq if len(rows) == limit else None)


def get(connection: Connection, delivery_id: str) -> DeliveryRecord | None:
    """One delivery by its id (`<event id>-<number>`)."""
    event_id, _, number = delivery_id.rpartition("-")
    if not number.isdigit() or len(number) > 9:
        return None
    row = connection.execute(
        text(f"{_DELIVERY} WHERE e.id = :event_id AND d.number = :number"),
        {"event_id": event_id, "number": int(number)},
    ).first()
    return None if row is None else _record(row)


def attempts_of(connection: Connection, delivery_id: str) -> list[Attempt]:
    """Every try, in order."""
    event_id, _, number = delivery_id.rpartition("-")
    if not number.isdigit() or len(number) > 9:
        return []
    rows = connection.execute(
        text(
            "SELECT a.number, a.started_at, a.seconds, a.status, a.reason, a.answer FROM attempts a"
            " JOIN deliveries d ON d.seq = a.delivery_seq JOIN events e ON e.seq = d.event_seq"
            " WHERE e.id = :event_id AND d.number = :number ORDER BY a.seq"
        ),
        {"event_id": event_id, "number": int(number)},
    )
    return [
        Attempt(n, started, seconds, status, reason, bytes(answer))
        for n, started, seconds, status, reason, answer in rows
    ]


def event(connection: Connection, event_id: str) -> EventRecord | None:
    """One kept event."""
    row = connection.execute(
        text("SELECT id, received_at, generation, event FROM events WHERE id = :id"), {"id": event_id}
    ).first()
    return None if row is None else EventRecord(row.id, row.received_at, row.generation, readable_event(row.event))


def redeliver(connection: Connection, query: Query, limit: int, now: float) -> int:
    """A new delivery for each dead letter that matches and was not sent again before."""
    where, values = _where(replace(query, state="dead"))
    rows = connection.execute(
        text(f"SELECT d.seq {_FROM}{_and([*where, 'd.redelivered = 0'])} ORDER BY d.seq LIMIT :limit"),
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


def redeliverable(connection: Connection, query: Query) -> int:
    """How many dead letters `redeliver` would send again without a limit."""
    where, values = _where(replace(query, state="dead"))
    found = connection.execute(text(f"SELECT count(*) {_FROM}{_and([*where, 'd.redelivered = 0'])}"), values)
    return int(found.scalar_one())


def purge(connection: Connection, query: Query, limit: int, now: float) -> int:
    """Turn dead letters into cancelled deliveries, which are forgotten with their event after the retention time."""
    where, values = _where(replace(query, state="dead"))
    rows = connection.execute(
        text(f"SELECT d.seq {_FROM}{_and(where)} ORDER BY d.seq LIMIT :limit"), values | {"limit": limit}
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
    where, values = _of_events(query)
    rows = connection.execute(
        text(f"SELECT e.seq FROM events e{_and([*where, 'e.seq > :after'])} ORDER BY e.seq LIMIT :limit"),
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


def replayable(connection: Connection, query: Query) -> int:
    """How many past events match."""
    where, values = _of_events(query)
    return int(connection.execute(text(f"SELECT count(*) FROM events e{_and(where)}"), values).scalar_one())


def cancel(connection: Connection, query: Query, limit: int, now: float) -> int:
    """End pending deliveries that nobody is trying at this moment."""
    where, values = _where(replace(query, state="pending"))
    rows = connection.execute(
        text(f"SELECT d.seq {_FROM}{_and([*where, 'd.leased = 0'])} ORDER BY d.seq LIMIT :limit"),
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


def paused_targets(connection: Connection) -> list[TargetState]:
    """Targets that get nothing, and why."""
    rows = connection.execute(
        text("SELECT id, paused_reason, paused_at FROM targets WHERE paused_reason IS NOT NULL ORDER BY id")
    )
    return [TargetState(*row) for row in rows]


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


def circuits(connection: Connection) -> dict[str, Circuit]:
    """Targets whose circuit is open."""
    rows = connection.execute(text("SELECT id, opened, open_until FROM targets WHERE open_until IS NOT NULL"))
    return {target: Circuit(opened, until) for target, opened, until in rows}


def set_circuit(connection: Connection, target: str, circuit: Circuit | None) -> None:
    """Open or close a target's circuit."""
    connection.execute(
        text("UPDATE targets SET opened = :opened, open_until = :until WHERE id = :id"),
        {"id": target, "opened": circuit.opened if circuit else 0, "until": circuit.open_until if circuit else None},
    )


def clean_up(connection: Connection, delivered_before: float, limit: int) -> int:
    """Forget up to `limit` of the oldest events of which nothing is pending, dead or lately settled."""
    rows = connection.execute(
        text(
            "SELECT e.seq FROM events e WHERE e.received_at < :before AND NOT EXISTS (SELECT 1 FROM deliveries d"
            " WHERE d.event_seq = e.seq AND (d.state IN ('pending', 'dead') OR d.settled_at >= :before))"
            " ORDER BY e.seq LIMIT :limit"
        ),
        {"before": delivered_before, "limit": limit},
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
    forget(connection, delivered_before, limit)
    return len(seqs)


def _where(query: Query) -> tuple[list[str], dict[str, Any]]:
    """The conditions of a query as SQL, and their values by name."""
    conditions: Mapping[str, tuple[object, str]] = {
        "state": (query.state, "d.state = :state"),
        "bucket": (query.bucket, "e.bucket = :bucket"),
        "prefix": (query.prefix, "substr(e.key, 1, length(:prefix)) = :prefix"),
        "rule": (query.rule, "d.rule = :rule"),
        "target": (query.target, "t.id = :target"),
        "reason": (query.reason, "d.reason LIKE :reason ESCAPE '\\'"),
        "event_id": (query.event_id, "e.id = :event_id"),
        "since": (query.since, "d.accepted_at >= :since"),
        "until": (query.until, "d.accepted_at < :until"),
    }
    asked = {name: (value, sql) for name, (value, sql) in conditions.items() if value not in (None, "")}
    values = {name: value for name, (value, _) in asked.items()}
    if query.reason:
        values["reason"] = f"%{_literal(query.reason)}%"
    return [sql for _, sql in asked.values()], values


def _of_events(query: Query) -> tuple[list[str], dict[str, Any]]:
    """What of a query speaks of events."""
    where, values = _where(
        Query(bucket=query.bucket, prefix=query.prefix, event_id=query.event_id, since=query.since, until=query.until)
    )
    return [condition.replace("d.accepted_at", "e.received_at") for condition in where], values


def _literal(part: str) -> str:
    """Text in which `%`, `_` and the escape sign mean themselves to LIKE."""
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _and(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _record(row: Row[Any]) -> DeliveryRecord:
    return DeliveryRecord(
        id=f"{row.event_id}-{row.number}",
        event_id=row.event_id,
        target=row.target,
        rule=row.rule,
        generation=row.generation,
        format=row.format,
        state=row.state,
        attempt=row.attempt,
        accepted_at=row.accepted_at,
        due_at=row.due_at,
        settled_at=row.settled_at,
        reason=row.reason,
        event=readable_event(row.event),
        redelivery_of=row.redelivery_of,
    )
