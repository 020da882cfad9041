"""Deliveries, their attempts and the filters that choose among them, as JSON. Pure."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ossfn.adapter.backend import DeliveryRecord, Query
from ossfn.adapter.delivery import Attempt, State
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.web.api_shapes import Shape, Text, Time


class Filter(Shape):
    """Which deliveries; what is left out matches all."""

    bucket: Text = ""
    prefix: Text = ""
    """What the object's key begins with."""
    rule: Text = ""
    target: Text = ""
    """`function:NAME` or `callback:URL`."""
    reason: Text = ""
    """A part of the last failure's text."""
    event_id: Text = ""
    since: Time | None = None
    """Accepted at this time or later."""
    until: Time | None = None
    """Accepted before this time."""

    def query(self) -> Query:
        """The same as the history takes it."""
        return Query(**dict(self))


class DeadFilter(Filter):
    """Which dead letters."""

    state: Literal["dead"] = "dead"


class PendingFilter(Filter):
    """Which deliveries that wait."""

    state: Literal["pending"] = "pending"


class DeliveriesQuery(Filter):
    """A filter in a URL, and which page of what it finds."""

    model_config = ConfigDict(strict=False)

    state: State | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    """The `next` of the page before."""

    def query(self) -> Query:
        """The filter alone."""
        return Query(**{name: value for name, value in self if name not in ("limit", "before")})


class EventOut(Shape):
    """One thing that happened to one object."""

    name: str
    bucket: str
    key: str
    """In plain characters."""
    time: str
    """As the store said; empty when it did not."""
    size: int | None
    """Bytes."""
    etag: str | None
    sequencer: str | None
    dialect: str
    source: str
    region: str


class DeliveryOut(Shape):
    """One event on its way to one target."""

    id: str
    event_id: str
    event: EventOut
    target: str
    rule: str
    generation: int
    """Of the bucket's rules, when they matched."""
    format: str
    state: State
    attempt: int
    """Tries begun so far."""
    accepted_at: Time
    due_at: Time
    """When it is tried next, for one that is pending."""
    settled_at: Time | None
    reason: str
    """Why the last try failed."""
    redelivery_of: str
    """The dead letter that this sends again; empty for others."""


class DeliveriesOut(Shape):
    """One page, newest first."""

    deliveries: list[DeliveryOut]
    next: int | None
    """`before` of the next page; null: there is no more."""


class AttemptOut(Shape):
    """One try."""

    number: int
    started_at: Time
    seconds: float
    status: int | None
    """Null: there was no answer."""
    reason: str
    """Empty: the target took it."""
    answer: str
    """The first 16 KiB of a failed try's answer; bytes that are not UTF-8 stand as U+FFFD."""


class TriedDelivery(DeliveryOut):
    """A delivery with its tries."""

    attempts: list[AttemptOut]


class DeliveryDetail(TriedDelivery):
    """A delivery with its tries and the record that the store sent."""

    record: Any
    """In the shape of an S3 record, AWS 2.x."""


def event_out(event: ObjectEvent) -> EventOut:
    """An event of the history."""
    return EventOut(**{name: getattr(event, name) for name in EventOut.model_fields})


def delivery_out(record: DeliveryRecord) -> DeliveryOut:
    """A delivery of the history."""
    return DeliveryOut(**_fields(record))


def tried_delivery(record: DeliveryRecord, attempts: list[AttemptOut]) -> TriedDelivery:
    """A delivery of the history with its tries."""
    return TriedDelivery(**_fields(record), attempts=attempts)


def _fields(record: DeliveryRecord) -> dict[str, Any]:
    named = {name: getattr(record, name) for name in DeliveryOut.model_fields}
    return named | {"event": event_out(record.event)}


def attempt_out(attempt: Attempt) -> AttemptOut:
    """A try of the history."""
    return AttemptOut(
        number=attempt.number,
        started_at=attempt.started_at,
        seconds=attempt.seconds,
        status=attempt.status,
        reason=attempt.reason,
        answer=attempt.answer.decode(errors="replace"),
    )
