"""Deliveries over HTTP: found, shown with every try, sent again, called off; and the counts that must add up."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from math import inf
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import Field

from ossfn.adapter import backend
from ossfn.adapter.backend import DeliveryRecord, History
from ossfn.adapter.delivery import Attempt
from ossfn.adapter.web.api_delivery_shapes import (
    DeadFilter,
    DeliveriesOut,
    DeliveriesQuery,
    DeliveryDetail,
    PendingFilter,
    attempt_out,
    delivery_out,
    tried_delivery,
)
from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_parts import HistoryPart
from ossfn.adapter.web.api_shapes import Shape

router = APIRouter(prefix="/api/v1", tags=["deliveries"])

Limit = Annotated[int, Field(ge=1, le=10_000)]

Recount = Annotated[
    bool, Query(description="Count the deliveries themselves in place of reading the counters: reads everything.")
]

_MOST_SECONDS = 20.0
"""A paced call ends after so long, before its client gives up waiting."""
_PAGE = 200


class StatsOut(Shape):
    """Counts of deliveries: `accepted` is the sum of the four behind it."""

    accepted: int
    delivered: int
    dead: int
    pending: int
    cancelled: int
    events: int
    """Events kept, matched or not."""
    unmatched: int
    duplicates: int


class RedeliverIn(Shape):
    """Which dead letters to send again."""

    filter: DeadFilter
    dry_run: bool = False
    rate: Annotated[float | None, Field(gt=0, le=1_000_000)] = None
    """So many a second at most; a call then lasts 20 seconds at most and leaves the rest for the next one."""
    limit: Limit = 1000


class RedeliveredOut(Shape):
    """What was done, or would be."""

    matched: int
    """Dead letters that the filter finds and nobody has sent again, up to `limit`."""
    redelivered: int
    """0 for a dry run."""


class CancelIn(Shape):
    """Which waiting deliveries to call off."""

    filter: PendingFilter
    dry_run: bool = False
    limit: Limit = 1000


class CancelledOut(Shape):
    """What was done, or would be."""

    matched: int
    """A dry run counts those that are being tried at this moment too."""
    cancelled: int


@router.get("/stats", tags=["stats"])
async def get_stats(history: HistoryPart, recount: Recount = False) -> StatsOut:
    """How many deliveries stand where, in one snapshot."""
    return StatsOut(**asdict(await (history.recount() if recount else history.stats())))


@router.get("/deliveries")
async def list_deliveries(history: HistoryPart, query: Annotated[DeliveriesQuery, Query()]) -> DeliveriesOut:
    """Deliveries, newest first."""
    records, following = await history.find(query.query(), limit=query.limit, before=query.before)
    return DeliveriesOut(deliveries=[delivery_out(record) for record in records], next=following)


@router.get("/deliveries/{delivery_id}", response_model=DeliveryDetail)
async def get_delivery(delivery_id: str, history: HistoryPart) -> Response:
    """One delivery with every try and the record that the store sent, byte for byte."""
    record, attempts = await _with_attempts(history, delivery_id)
    known = tried_delivery(record, [attempt_out(attempt) for attempt in attempts]).model_dump(mode="json")
    body = orjson.dumps(known | {"record": orjson.Fragment(bytes(record.event.record))})
    return Response(body, media_type="application/json")


@router.post("/deliveries:redeliver")
async def redeliver(body: RedeliverIn, history: HistoryPart) -> RedeliveredOut:
    """Send dead letters again. One that was sent again before is left out, so the same call can be repeated."""
    if body.dry_run:
        return RedeliveredOut(matched=await _count_dead(history, body.filter.query(), body.limit), redelivered=0)
    made = await _redeliver(history, body.filter.query(), body.limit, body.rate)
    return RedeliveredOut(matched=made, redelivered=made)


@router.post("/deliveries/{delivery_id}:redeliver")
async def redeliver_one(delivery_id: str, history: HistoryPart) -> RedeliveredOut:
    """Send one dead letter again."""
    record = await _existing(history, delivery_id)
    advice = "Only dead letters are sent again, each once."
    if record.state != "dead":
        raise ApiError(409, "NotDead", f"Delivery {delivery_id} is {record.state}.", advice=advice)
    # Of the deliveries of one event by one rule to one target, only the last can be dead and not sent again.
    this = backend.Query(event_id=record.event_id, rule=record.rule, target=record.target)
    if await _sent_again(history, record) or not await history.redeliver(this, limit=1):
        raise ApiError(409, "NotDead", f"Delivery {delivery_id} was sent again already.", advice=advice)
    return RedeliveredOut(matched=1, redelivered=1)


@router.post("/deliveries:cancel")
async def cancel(body: CancelIn, history: HistoryPart) -> CancelledOut:
    """Call off deliveries that wait and are not being tried at this moment."""
    query = body.filter.query()
    if body.dry_run:
        return CancelledOut(matched=await _count(_all(history, query), body.limit), cancelled=0)
    ended = await history.cancel(query, limit=body.limit)
    return CancelledOut(matched=ended, cancelled=ended)


async def _with_attempts(history: History, delivery_id: str) -> tuple[DeliveryRecord, Sequence[Attempt]]:
    """A delivery and its tries as they stood at one moment: read again while one of them ends in between."""
    record = await _existing(history, delivery_id)
    while True:
        attempts = await history.attempts_of(delivery_id)
        after = await _existing(history, delivery_id)
        if after == record:
            return record, attempts
        record = after


async def _existing(history: History, delivery_id: str) -> DeliveryRecord:
    record = await history.get(delivery_id) if delivery_id.isascii() else None
    if record is None:
        advice = "Delivered ones are forgotten after the retention time."
        raise ApiError(404, "NoSuchDelivery", f"There is no delivery {delivery_id}.", advice=advice)
    return record


async def _redeliver(history: History, query: backend.Query, limit: int, rate: float | None) -> int:
    if rate is None:
        return await history.redeliver(query, limit=limit)
    # What fails again while this call lasts is not sent a third time by it.
    query = replace(query, until=min(inf if query.until is None else query.until, time.time()))
    limit = min(limit, max(1, int(rate * _MOST_SECONDS)))
    step = max(1, round(rate / 10))
    made = await history.redeliver(query, limit=min(step, limit))
    total = made
    while made == step and total < limit:
        await asyncio.sleep(step / rate)
        made = await history.redeliver(query, limit=min(step, limit - total))
        total += made
    return total


async def _all(history: History, query: backend.Query) -> AsyncIterator[DeliveryRecord]:
    """Everything that a query finds, read page by page."""
    before: int | None = None
    while True:
        page, before = await history.find(query, limit=_PAGE, before=before)
        for record in page:
            yield record
        if before is None:
            return


async def _count(records: AsyncIterator[DeliveryRecord], limit: int) -> int:
    """How many there are, up to a limit."""
    seen = 0
    async for _ in records:
        seen += 1
        if seen == limit:
            break
    return seen


async def _count_dead(history: History, query: backend.Query, limit: int) -> int:
    """How many `redeliver` would send again, up to a limit."""
    fresh = (record async for record in _all(history, query) if not await _sent_again(history, record))
    return await _count(fresh, limit)


async def _sent_again(history: History, record: DeliveryRecord) -> bool:
    others = backend.Query(event_id=record.event_id, rule=record.rule, target=record.target)
    return any([other.redelivery_of == record.id async for other in _all(history, others)])
