"""MAIN PATH 2: claim what is due, send it, settle what came of it. Each target has a lane of its own."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from ossfn.adapter.backend import BackendUnavailable, DeliveryQueue
from ossfn.adapter.delivery import Attempt, Circuit, Delivery, Failed, NextStep, Outcome, PauseTarget, Settlement
from ossfn.adapter.events import places
from ossfn.adapter.retry import CircuitPolicy, LanePolicy, RetryPolicy

log = structlog.get_logger()

_BREAKER = CircuitPolicy()


class Lanes(Protocol):
    """What the dispatcher asks of a target."""

    def lane_of(self, target: str) -> LanePolicy:
        """How it is treated."""
        ...

    async def send(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        """Try once; whatever the target does is a value."""
        ...


@dataclass(slots=True)
class _Lane:
    waiting: deque[Delivery] = field(default_factory=deque)
    senders: int = 0


class Dispatcher:
    """Runs until stopped. `dice` gives numbers in [0, 1) for the jitter; `on_attempt` hears of each try.

    A try begins only while its claim lasts longer than it can take; what comes too late for that is given back untried.
    """

    CLAIM = 1024
    """Deliveries claimed at a time."""
    PER_TARGET = 256
    """Deliveries in hand for one target: enough to keep it busy, few enough to be given back soon."""

    def __init__(
        self,
        queue: DeliveryQueue,
        lanes: Lanes,
        *,
        clock: Callable[[], float],
        dice: Callable[[], float],
        on_attempt: Callable[[Delivery, Attempt, NextStep], None],
        breaker: CircuitPolicy = _BREAKER,
        stop_seconds: float = 30.0,
    ) -> None:
        self._queue = queue
        self._targets = lanes
        self._clock = clock
        self._dice = dice
        self._on_attempt = on_attempt
        self._breaker = breaker
        self._stop_seconds = stop_seconds
        self._lanes: dict[str, _Lane] = {}
        self._held: dict[str, int] = {}
        """How many places are taken by what is in hand of each target: claimed, and not settled yet."""
        self._late: list[Delivery] = []
        """To be given back untried."""
        self._looked_through = 0.0
        self._free_at: dict[str, float] = {}
        """When the rate of a target allows its next try."""
        self._probed: dict[str, float] = {}
        """Up to which opening the queue was told that a target may be probed."""
        self._failures: dict[str, int] = {}
        """Failures in a row of each target."""
        self._switched: dict[str, Circuit | None] = {}
        """Circuits that have opened or closed and were not recorded yet."""
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
                await self._give_back_late()
                await self._queue.wait(self._until_next_probe())
        finally:
            await self._finish(settler)

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is being sent has ended, or after `stop_seconds`."""
        self._stopping.set()
        self._queue.wake()

    async def _claim(self) -> None:
        try:
            claimed = await self._queue.claim(limit=self.CLAIM, room=self._room(), default_room=self.PER_TARGET)
        except BackendUnavailable:
            await self._pause(1.0)
        except Exception:  # a bug of ours must not end all delivery without a word
            log.exception("claim.bug")
            await self._pause(1.0)
        else:
            for delivery in claimed:
                self._take(delivery)

    def _room(self) -> dict[str, int]:
        """How many more of each target; of one with an open circuit none, and a single one when it is time to probe."""
        room = {target: self.PER_TARGET - held for target, held in self._held.items()}
        now = self._clock()
        for target, circuit in self._queue.circuits().items():
            held = self._held.get(target, 0)
            room[target] = 0 if held or circuit.open_until > now else 1
            if room[target] and self._probed.get(target) != circuit.open_until:
                self._probed[target] = circuit.open_until
                self._queue.wake()
        return room

    def _until_next_probe(self) -> float:
        now = self._clock()
        waits = [circuit.open_until - now for circuit in self._queue.circuits().values() if circuit.open_until > now]
        return min([1.0, *waits])

    async def _give_back_late(self) -> None:
        """Give back what would lose its claim before its turn comes."""
        now = self._clock()
        if now - self._looked_through > 5.0:
            self._looked_through = now
            for target, lane in self._lanes.items():
                limit = now + self._targets.lane_of(target).timeout_seconds + 10.0
                self._late += [d for d in lane.waiting if d.lease_until <= limit]
                lane.waiting = deque(d for d in lane.waiting if d.lease_until > limit)
        late, self._late = self._late, []
        if late:
            await self._give_back(late)

    async def _give_back(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._let_go(delivery)
        with contextlib.suppress(BackendUnavailable):  # their claims end by themselves
            await self._queue.release(deliveries)

    async def _pause(self, seconds: float) -> None:
        """Wait before trying again, but not when it is time to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _take(self, delivery: Delivery) -> None:
        target = delivery.target
        self._held[target] = self._held.get(target, 0) + places(delivery.event)
        lane = self._lanes.setdefault(target, _Lane())
        lane.waiting.append(delivery)
        if lane.senders < self._targets.lane_of(target).concurrency:
            lane.senders += 1
            sender = asyncio.create_task(self._send(target, lane))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def _send(self, target: str, lane: _Lane) -> None:
        try:
            while lane.waiting and not self._stopping.is_set():
                policy = self._targets.lane_of(target)
                if policy.per_second:
                    await self._turn(target, policy.per_second)
                if target in self._queue.paused():
                    self._empty(target)
                if lane.waiting and not self._stopping.is_set():
                    await self._send_one(lane, lane.waiting.popleft(), policy)
        finally:
            lane.senders -= 1
            if not lane.senders and not lane.waiting:
                self._lanes.pop(target, None)

    async def _turn(self, target: str, per_second: float) -> None:
        """Wait until the target's rate allows another try."""
        now = self._clock()
        at = max(now, self._free_at.get(target, 0.0))
        self._free_at[target] = at + 1 / per_second
        if at > now:
            await self._pause(at - now)

    async def _send_one(self, lane: _Lane, delivery: Delivery, policy: LanePolicy) -> None:
        if delivery.lease_until <= self._clock() + policy.timeout_seconds:
            self._late.append(delivery)
            return
        try:
            self._ended(delivery, policy.retry, *await self._try(delivery))
        except asyncio.CancelledError:
            lane.waiting.append(delivery)  # cut short by a stop: given back
            raise

    async def _try(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        started = self._clock()
        try:
            return await self._targets.send(delivery)
        except Exception as bug:
            # Ours, not the target's; the delivery must come to some end all the same.
            log.exception("delivery.bug", delivery=delivery.id, target=delivery.target)
            reason = f"ossfn failed to send it: {bug!r}"
            return Failed(reason), Attempt(delivery.attempt, started, self._clock() - started, None, reason)

    def _let_go(self, delivery: Delivery) -> None:
        self._held[delivery.target] -= places(delivery.event)
        if not self._held[delivery.target]:
            del self._held[delivery.target]

    def _ended(self, delivery: Delivery, policy: RetryPolicy, outcome: Outcome, attempt: Attempt) -> None:
        step = policy.next_step(
            outcome,
            attempt=delivery.attempt,
            accepted_at=delivery.accepted_at,
            now=self._clock(),
            dice=self._dice(),
        )
        self._judge(delivery.target, outcome)
        self._settled.append(Settlement(delivery, attempt, step))
        self._something_settled.set()
        if isinstance(step, PauseTarget):
            self._empty(delivery.target)
        try:
            self._on_attempt(delivery, attempt, step)
        except Exception:
            log.exception("report.bug", delivery=delivery.id)

    def _empty(self, target: str) -> None:
        """Give back what waits in a lane; what is being sent ends by itself."""
        if lane := self._lanes.get(target):
            self._late += lane.waiting
            lane.waiting.clear()
            self._queue.wake()

    def _judge(self, target: str, outcome: Outcome) -> None:
        """Whether this target's circuit opens or closes now. One that refuses is not one that fails."""
        circuit = self._queue.circuits().get(target)
        if not isinstance(outcome, Failed):
            self._failures.pop(target, None)
            if circuit:
                self._switched[target] = None
            return
        failures = self._failures[target] = self._failures.get(target, 0) + 1
        # What was under way when it opened says nothing new.
        opens = circuit.open_until <= self._clock() if circuit else failures >= self._breaker.failures
        if opens and target not in self._switched:
            self._switched[target] = self._breaker.opened(circuit, self._clock())

    async def _switch(self) -> None:
        """Record circuits that opened or closed; an open one's deliveries wait in the log."""
        switched, self._switched = self._switched, {}
        for target, circuit in switched.items():
            log.warning("circuit.switched", target=target, open_until=circuit and circuit.open_until)
            try:
                await self._queue.set_circuit(target, circuit)
            except BackendUnavailable:
                continue  # the next failure tries again
            if circuit:
                self._empty(target)

    async def _settle(self) -> None:
        """Hand in what has ended, as many at a time as there are, until stopped and nothing is left."""
        while self._settled or self._senders or not self._stopping.is_set():
            await self._something_settled.wait()
            self._something_settled.clear()
            batch, self._settled = self._settled, []
            left = await self._hand_in(batch) if batch else []
            await self._switch()
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
            self._let_go(settlement.delivery)
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
        await self._give_back([*self._late, *(d for lane in self._lanes.values() for d in lane.waiting)])
