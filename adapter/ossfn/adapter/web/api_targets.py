"""Targets over HTTP: how much waits for each, since when, and whether it is paused."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from ossfn.adapter.backend import History
from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_parts import HistoryPart
from ossfn.adapter.web.api_shapes import Shape, Text, Time

router = APIRouter(prefix="/api/v1/targets", tags=["targets"])

TargetId = Annotated[str, Path(description="`function:NAME` or `callback:URL`, percent-encoded.", max_length=2100)]


class TargetOut(Shape):
    """A target for which something waits, or that is paused."""

    target: str
    pending: int
    oldest_at: Time | None
    """When the oldest delivery that waits was accepted."""
    paused_at: Time | None
    paused_reason: str
    """Empty: it is not paused."""


class TargetsOut(Shape):
    """Every target for which something waits or that is paused, by name."""

    targets: list[TargetOut]


class PauseIn(Shape):
    """Why."""

    reason: Annotated[Text, Field(min_length=1)] = "paused by an operator"


@router.get("")
async def list_targets(history: HistoryPart) -> TargetsOut:
    """What waits where."""
    return TargetsOut(targets=await _targets(history))


@router.post("/{target:path}:pause")
async def pause_target(target: TargetId, history: HistoryPart, body: PauseIn | None = None) -> TargetOut:
    """Give a target nothing until it is resumed; what is for it waits."""
    if not target.startswith(("function:", "callback:")):
        advice = "Give function:NAME or callback:URL, percent-encoded."
        raise ApiError(400, "InvalidTarget", "That is not a target.", field="target", advice=advice)
    await history.pause(target, (body or PauseIn()).reason)
    return await _target(history, target)


@router.post("/{target:path}:resume")
async def resume_target(target: TargetId, history: HistoryPart) -> TargetOut:
    """Let a target's deliveries go on."""
    await history.resume(target)
    return await _target(history, target)


async def _targets(history: History) -> list[TargetOut]:
    paused = {state.target: state for state in await history.paused_targets()}
    waiting = await history.pending_by_target()
    found = []
    for target in sorted({*paused, *waiting}):
        count, oldest_at = waiting.get(target, (0, None))
        state = paused.get(target)
        found.append(
            TargetOut(
                target=target,
                pending=count,
                oldest_at=oldest_at,
                paused_at=state.paused_at if state else None,
                paused_reason=state.paused_reason if state else "",
            )
        )
    return found


async def _target(history: History, target: str) -> TargetOut:
    nothing = TargetOut(target=target, pending=0, oldest_at=None, paused_at=None, paused_reason="")
    return next((each for each in await _targets(history) if each.target == target), nothing)
