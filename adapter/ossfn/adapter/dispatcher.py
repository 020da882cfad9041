"""MAIN PATH 2: claim what is due, send it, settle what came of it. Each target has a lane of its own."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from ossfn.adapter.backend import BackendUnavailable, DeliveryQueue
from ossfn.adapter.delivery import Attempt, Delivery, Failed, NextStep, Outcome, Settlement
from ossfn.adapter.retry import RetryPolicy

log = structlog.get_logger()


class Lanes(Protocol):
    """What the dispatcher asks of a target."""

    def concurrency_of(self, target: str) -> int:
        """How many deliveries it takes at a time."""
        ...

    async def send(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        """Try once; whatever the target does is a value."""
        ...


@dataclass(slots=True)
class _Lane:
    waiting: deque[Delivery] = field(default_factory=deque)
    senders: int = 0


class Dispatcher:
    """Runs until stopped. `dice` gives numbers in [0, 1) for the jitter; `on_attempt` hears of each try."""

    CLAIM = 1024
    """Deliveries claimed at a time."""
    PER_TARGET = 256
    """Deliveries in hand for one target: enough to keep it busy, few enough to be given back soon."""

    def __init__(
        self,
        queue: DeliveryQueue,
        lanes: Lanes,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float],
        dice: Callable[[], float],
        on_attempt: Callable[[Delivery, Attempt, NextStep], None],
        stop_seconds: float = 30.0,
    ) -> None:
        self._queue = queue
        self._targets = lanes
        self._policy = policy
        self._clock = clock
        self._dice = dice
        self._on_attempt = on_attempt
        self._stop_seconds = stop_seconds
        self._lanes: dict[str, _Lane] = {}
        self._held: dict[str, int] = {}
        """How many of each target are in hand: claimed, and not settled yet."""
        self._settled: list[Settlement] = []
        self._something_settled = asyncio.Event()
        self._cannot_settle = False
        self._senders: set[asyncio.Task[None]] = set()  # asyncio itself holds its tasks only weakly
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Claim, send and settle until `stop`; a backend that does not answer is asked again."""
        settler = asyncio.create_task(self._settle())
        try:
            while not self._stopping.is_set():
                # Nothing while outcomes cannot be recorded, so that they do not pile up.
                await (self._pause(0.1) if self._cannot_settle else self._claim())
                await self._queue.wait(1.0)
        finally:
            await self._finish(settler)

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is being sent has ended, or after `stop_seconds`."""
        self._stopping.set()
        self._queue.wake()

    async def _claim(self) -> None:
        room = {target: self.PER_TARGET - held for target, held in self._held.items()}
        try:
            claimed = await self._queue.claim(limit=self.CLAIM, room=room, default_room=self.PER_TARGET)
        except BackendUnavailable:
            await self._pause(1.0)
        except Exception:  # a bug of ours must not end all delivery without a word
            log.exception("claim.bug")
            await self._pause(1.0)
        else:
            for delivery in claimed:
                self._take(delivery)

    async def _pause(self, seconds: float) -> None:
        """Wait before trying again, but not when it is time to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _take(self, delivery: Delivery) -> None:
        target = delivery.target
        self._held[target] = self._held.get(target, 0) + 1
        lane = self._lanes.setdefault(target, _Lane())
        lane.waiting.append(delivery)
        if lane.senders < self._targets.concurrency_of(target):
            lane.senders += 1
            sender = asyncio.create_task(self._send(target, lane))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def _send(self, target: str, lane: _Lane) -> None:
        try:
            while lane.waiting and not self._stopping.is_set():
                delivery = lane.waiting.popleft()
                if delivery.lease_until <= self._clock():  # somebody else may have it by now
                    self._let_go(target)
                    continue
                try:
                    self._ended(delivery, *await self._try(delivery))
                except asyncio.CancelledError:
                    lane.waiting.append(delivery)  # cut short by a stop: given back
                    raise
        finally:
            lane.senders -= 1
            if not lane.senders and not lane.waiting:
                self._lanes.pop(target, None)

    async def _try(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        started = self._clock()
        try:
            return await self._targets.send(delivery)
        except Exception as bug:
            # Ours, not the target's; the delivery must come to some end all the same.
            log.exception("delivery.bug", delivery=delivery.id, target=delivery.target)
            reason = f"ossfn failed to send it: {bug!r}"
            return Failed(reason), Attempt(delivery.attempt, started, self._clock() - started, None, reason)

    def _let_go(self, target: str) -> None:
        self._held[target] -= 1
        if not self._held[target]:
            del self._held[target]

    def _ended(self, delivery: Delivery, outcome: Outcome, attempt: Attempt) -> None:
        step = self._policy.next_step(
            outcome,
            attempt=delivery.attempt,
            accepted_at=delivery.accepted_at,
            now=self._clock(),
            dice=self._dice(),
        )
        self._settled.append(Settlement(delivery, attempt, step))
        self._something_settled.set()
        self._on_attempt(delivery, attempt, step)

    async def _settle(self) -> None:
        """Hand in what has ended, as many at a time as there are, until stopped and nothing is left."""
        while self._settled or self._senders or not self._stopping.is_set():
            await self._something_settled.wait()
            self._something_settled.clear()
            batch, self._settled = self._settled, []
            left = await self._hand_in(batch) if batch else []
            self._cannot_settle = bool(left)
            if left:  # what a target took must not be forgotten: it would be sent again
                self._settled = left + self._settled
                self._something_settled.set()
                if self._stopping.is_set():
                    return
                await self._pause(1.0)

    async def _hand_in(self, batch: list[Settlement]) -> list[Settlement]:
        """Settle these; those that the backend cannot take now."""
        try:
            await self._queue.settle(batch)
        except BackendUnavailable:
            return batch
        except Exception:
            log.exception("settle.bug", deliveries=[s.delivery.id for s in batch[:10]])
            if len(batch) > 1:  # one bad piece must not spoil its neighbours
                return [left for s in batch for left in await self._hand_in([s])]
            # A single one is let go of: its lease ends, and it is tried again.
        for settlement in batch:
            self._let_go(settlement.delivery.target)
        return []

    async def _finish(self, settler: asyncio.Task[None]) -> None:
        """Wait for what is being sent, hand in how it ended, give the rest back."""
        if self._senders:
            await asyncio.wait(self._senders, timeout=self._stop_seconds)
        for late in self._senders:
            late.cancel()
        if self._senders:
            await asyncio.wait(self._senders)
        self._something_settled.set()
        await asyncio.wait([settler])
        waiting = [delivery for lane in self._lanes.values() for delivery in lane.waiting]
        with contextlib.suppress(BackendUnavailable):  # their leases end by themselves
            await self._queue.release(waiting)
