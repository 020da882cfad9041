"""Why something was called, or was not: each rule's verdict on an event, or what became of one that came in."""

from typing import Annotated

from fastapi import APIRouter, Query

from ossfn.adapter.backend import History
from ossfn.adapter.backend import Query as DeliveryQuery
from ossfn.adapter.web.api_delivery_shapes import EventOut, TriedDelivery, attempt_out, event_out, tried_delivery
from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_parts import HistoryPart, RegistryPart
from ossfn.adapter.web.api_shapes import Shape, Time
from ossfn.trigger_registry.explanation import Explanation, Why
from ossfn.trigger_registry.rules import Mode

router = APIRouter(prefix="/api/v1/explain", tags=["explain"])

_MOST_DELIVERIES = 1000


class VerdictOut(Shape):
    """What one rule says."""

    rule: str
    matched: bool
    why: Why
    """What decided; `earlier`: another rule took it first."""
    reason: str
    targets: list[str]
    """Whom the rule calls when it matches."""


class ExplanationOut(Shape):
    """What the rules of now say to such an event, in match order."""

    bucket: str
    key: str
    event: str
    generation: int
    mode: Mode
    rules: list[VerdictOut]
    targets: list[str]
    """All that would be called, in order."""


class HappenedOut(Shape):
    """An event that came in and what became of it; without deliveries, no rule wanted it then."""

    event_id: str
    received_at: Time
    generation: int
    """Of the bucket's rules that decided; 0: the bucket had none."""
    event: EventOut
    deliveries: list[TriedDelivery]


@router.get("")
async def explain(
    registry: RegistryPart,
    history: HistoryPart,
    bucket: str = "",
    key: Annotated[str | None, Query(description="In plain characters.")] = None,
    event: Annotated[str, Query(description="Such as `s3:ObjectCreated:Put`.")] = "",
    event_id: Annotated[str, Query(description="In place of the other three: an event that came in.")] = "",
) -> ExplanationOut | HappenedOut:
    """Either what would happen (`bucket`, `key`, `event`) or what did (`event_id`)."""
    if event_id and not bucket and not event and key is None:
        return await _happened(history, event_id)
    if bucket and event and key is not None and not event_id:
        return _explanation(registry.explain(bucket, key, event))
    raise ApiError(400, "InvalidRequest", "Give bucket, key and event, or event_id alone.", field="query")


def _explanation(explained: Explanation) -> ExplanationOut:
    return ExplanationOut(
        bucket=explained.bucket.name,
        key=explained.key,
        event=explained.event_name,
        generation=explained.bucket.generation,
        mode=explained.bucket.mode,
        rules=[
            VerdictOut(
                rule=verdict.rule.name,
                matched=verdict.matched,
                why=verdict.why,
                reason=verdict.reason,
                targets=[target.id for target in verdict.rule.targets],
            )
            for verdict in explained.verdicts
        ],
        targets=[target.id for target in explained.targets],
    )


async def _happened(history: History, event_id: str) -> HappenedOut:
    found = await history.event(event_id)
    if found is None:
        advice = "Events are forgotten after the retention time."
        raise ApiError(404, "NoSuchEvent", f"There is no event {event_id}.", advice=advice)
    records, _ = await history.find(DeliveryQuery(event_id=event_id), limit=_MOST_DELIVERIES)
    tried = [
        tried_delivery(record, [attempt_out(attempt) for attempt in await history.attempts_of(record.id)])
        for record in records
    ]
    return HappenedOut(
        event_id=found.id,
        received_at=found.received_at,
        generation=found.generation,
        event=event_out(found.event),
        deliveries=tried,
    )
