"""Deliveries as the memory backend keeps them: which of a key goes next, which are stale, which a query finds."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ossfn.adapter.backend import DeliveryRecord, EventRecord, Query
from ossfn.adapter.delivery import Attempt, Order

STALE = "stale: a newer event of this key was delivered before"


@dataclass(slots=True)
class Kept:
    """A delivery with its tries and its claim."""

    record: DeliveryRecord
    order: Order | None = None
    leased: bool = False
    redelivered: bool = False
    attempts: list[Attempt] = field(default_factory=list)


def heads_of(deliveries: Iterable[Kept]) -> dict[str, Kept]:
    """For each key of ordered deliveries the one that is being tried, else the first."""
    heads: dict[str, tuple[bool, str, Kept]] = {}
    for kept in deliveries:
        if kept.record.state == "pending" and kept.order:
            mine = (not kept.leased, kept.order.position, kept)
            known = heads.setdefault(kept.order.key, mine)
            if mine[:2] < known[:2]:
                heads[kept.order.key] = mine
    return {key: kept for key, (_, _, kept) in heads.items()}


def newer(known: str | None, position: str) -> str:
    """The position that a key has come to, when this one was delivered."""
    return position if known is None or known[:1] != position[:1] else max(known, position)


def stale(deliveries: Iterable[Kept], key: str, newest: str | None) -> list[Kept]:
    """What waits of a key although something newer was delivered, and wants to be dropped then."""
    waiting = [k for k in deliveries if k.record.state == "pending" and not k.leased and k.order and k.order.key == key]
    return [k for k in waiting if newest and k.order and k.order.drop_stale and _older(k.order.position, newest)]


def _older(position: str, than: str) -> bool:
    return position[:1] == than[:1] and position < than


def matches(query: Query, r: DeliveryRecord) -> bool:
    """Whether a query finds this one."""
    wanted = (
        (query.state, r.state), (query.bucket, r.event.bucket), (query.rule, r.rule), (query.target, r.target),
        (query.event_id, r.event_id),
    )  # fmt: skip
    return (
        bool(r.id)
        and all(want in (None, "", have) for want, have in wanted)
        and r.event.key.startswith(query.prefix)
        and query.reason.lower() in r.reason.lower()
        and (query.since is None or r.accepted_at >= query.since)
        and (query.until is None or r.accepted_at < query.until)
    )


def wants(query: Query, event: EventRecord) -> bool:
    """Whether a query finds this event; only what it says of events counts."""
    return (
        query.bucket in ("", event.event.bucket)
        and event.event.key.startswith(query.prefix)
        and query.event_id in ("", event.id)
        and (query.since is None or event.received_at >= query.since)
        and (query.until is None or event.received_at < query.until)
    )
