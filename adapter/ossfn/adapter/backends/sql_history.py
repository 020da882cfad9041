"""What console, API and CLI ask of an outbox in SQL, on any engine: count, find, send again, pause, clean up.

Every function runs inside a transaction of its caller and takes its time as an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, text

from ossfn.adapter.backend import DeliveryRecord, EventRecord, Query, Stats, TargetState
from ossfn.adapter.codec import readable_event
from ossfn.adapter.delivery import Attempt, Circuit

FROM = "FROM deliveries d JOIN events e ON e.seq = d.event_seq JOIN targets t ON t.seq = d.target_seq"
_DELIVERY = (
    "SELECT d.seq, d.number, t.id AS target, d.rule, d.generation, d.format, d.state, d.attempt, d.accepted_at,"
    f" d.due_at, d.settled_at, d.reason, d.redelivery_of, e.id AS event_id, e.event {FROM}"
)
_COUNTED = ("accepted", "delivered", "dead", "cancelled", "events", "unmatched", "duplicates")


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
    where, values = where_of(query)
    if before is not None:
        where, values = [*where, "d.seq < :before"], values | {"before": before}
    statement = f"{_DELIVERY}{and_(where)} ORDER BY d.seq DESC LIMIT :limit"
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


def redeliverable(connection: Connection, query: Query) -> int:
    """How many dead letters `redeliver` would send again without a limit."""
    where, values = where_of(replace(query, state="dead"))
    found = connection.execute(text(f"SELECT count(*) {FROM}{and_([*where, 'd.redelivered = 0'])}"), values)
    return int(found.scalar_one())


def replayable(connection: Connection, query: Query) -> int:
    """How many past events match."""
    where, values = where_of_events(query)
    return int(connection.execute(text(f"SELECT count(*) FROM events e{and_(where)}"), values).scalar_one())


def paused_targets(connection: Connection) -> list[TargetState]:
    """Targets that get nothing, and why."""
    rows = connection.execute(
        text("SELECT id, paused_reason, paused_at FROM targets WHERE paused_reason IS NOT NULL ORDER BY id")
    )
    return [TargetState(*row) for row in rows]


def circuits(connection: Connection) -> dict[str, Circuit]:
    """Targets whose circuit is open."""
    rows = connection.execute(text("SELECT id, opened, open_until FROM targets WHERE open_until IS NOT NULL"))
    return {target: Circuit(opened, until) for target, opened, until in rows}


def where_of(query: Query) -> tuple[list[str], dict[str, Any]]:
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


def where_of_events(query: Query) -> tuple[list[str], dict[str, Any]]:
    """What of a query speaks of events."""
    where, values = where_of(
        Query(bucket=query.bucket, prefix=query.prefix, event_id=query.event_id, since=query.since, until=query.until)
    )
    return [condition.replace("d.accepted_at", "e.received_at") for condition in where], values


def _literal(part: str) -> str:
    """Text in which `%`, `_` and the escape sign mean themselves to LIKE."""
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def and_(conditions: Sequence[str]) -> str:
    """A WHERE of all of them, or nothing."""
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
