"""What became of deliveries in the last hour, by target and in steps of ten seconds, in memory, for plots."""

import asyncio
import heapq
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from ossfn.adapter.backend import BackendUnavailable, History
from ossfn.adapter.delivery import Attempt, DeadLetter, Delivered, Delivery, NextStep

STEP_SECONDS = 10
STEPS = 360
MOST_TARGETS = 32
"""In one step; what more there are is counted together."""
OTHERS = "…"

_LEAST_SECONDS = 0.001
_GROWTH = 1.25
"""Durations are counted in classes, each so much wider than the one before: percentiles are right to an eighth."""

log = structlog.get_logger()


@dataclass(slots=True)
class Tally:
    """What happened, and how long it took from accepted to delivered, in classes of duration."""

    delivered: int = 0
    failed: int = 0
    """Tries that will be repeated."""
    dead: int = 0
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count what the other counted."""
        self.delivered += other.delivered
        self.failed += other.failed
        self.dead += other.dead
        self.durations.update(other.durations)

    def percentile(self, share: float) -> float | None:
        """Seconds within which this share was delivered; None when nothing was."""
        wanted = share * self.durations.total()
        for group in sorted(self.durations):
            wanted -= self.durations[group]
            if wanted <= 0:
                return _LEAST_SECONDS * math.pow(_GROWTH, group + 0.5)
        return None


@dataclass(slots=True)
class _Step:
    number: int
    """Unix seconds by STEP_SECONDS."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    waiting: Mapping[str, tuple[int, float]] | None = None

    def of(self, target: str) -> Tally:
        """One target's, or (empty) that of all of them together."""
        if target:
            return self.tallies.get(target, Tally())
        together = Tally()
        for tally in self.tallies.values():
            together.add(tally)
        return together


class Recent:
    """The last hour. Belongs to the event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._steps: deque[_Step] = deque(maxlen=STEPS)

    def attempt(self, delivery: Delivery, attempt: Attempt, step: NextStep) -> None:
        """One try has ended."""
        tallies = self._now().tallies
        tally = tallies.get(delivery.target)
        if tally is None:
            name = delivery.target if len(tallies) < MOST_TARGETS else OTHERS
            tally = tallies.setdefault(name, Tally())
        match step:
            case Delivered():
                tally.delivered += 1
                tally.durations[_class(attempt.started_at + attempt.seconds - delivery.accepted_at)] += 1
            case DeadLetter():
                tally.dead += 1
            case _:
                tally.failed += 1

    def waiting(self, by_target: Mapping[str, tuple[int, float]]) -> None:
        """What waits at this moment: how many, and since when the oldest does."""
        kept = dict(heapq.nlargest(MOST_TARGETS, by_target.items(), key=lambda item: item[1][0]))
        rest = [found for target, found in by_target.items() if target not in kept]
        if rest:
            kept[OTHERS] = (sum(count for count, _ in rest), min(since for _, since in rest))
        self._now().waiting = kept

    def targets(self, seconds: float) -> dict[str, Tally]:
        """Every target that was tried in the last so many seconds, and what came of it."""
        since = (self._clock() - seconds) // STEP_SECONDS
        found: dict[str, Tally] = {}
        for step in self._steps:
            if step.number >= since:
                for target, tally in step.tallies.items():
                    found.setdefault(target, Tally()).add(tally)
        return found

    def series(self, target: str) -> dict[str, list[float | None]]:
        """The columns of the plots, one value for each full step, for one target or (empty) for all."""
        known = {step.number: step for step in self._steps}
        end = int(self._clock() // STEP_SECONDS)
        columns = [_column(known.get(number, _Step(number)), target) for number in range(end - STEPS + 1, end)]
        return {name: [column[name] for column in columns] for name in columns[0]}

    def _now(self) -> _Step:
        number = int(self._clock() // STEP_SECONDS)
        if not self._steps or self._steps[-1].number < number:
            self._steps.append(_Step(number))
        return self._steps[-1]


def _column(step: _Step, target: str) -> dict[str, float | None]:
    tally = step.of(target)
    at = step.number * STEP_SECONDS
    waiting, oldest = _waiting(step, target)
    return {
        "at": at,
        "delivered": tally.delivered / STEP_SECONDS,
        "failed": tally.failed / STEP_SECONDS,
        "dead": tally.dead / STEP_SECONDS,
        "waiting": waiting,
        "lag": None if oldest is None else max(0.0, at - oldest),
        "p50": tally.percentile(0.5),
        "p99": tally.percentile(0.99),
    }


def _waiting(step: _Step, target: str) -> tuple[int | None, float | None]:
    """How many wait and since when; None where nobody looked."""
    if step.waiting is None:
        return None, None
    found: Iterable[tuple[int, float]] = step.waiting.values()
    if target:
        found = [step.waiting[target]] if target in step.waiting else []
    counts, oldest = [count for count, _ in found], [since for _, since in found]
    return sum(counts), min(oldest) if oldest else step.number * STEP_SECONDS


def _class(seconds: float) -> int:
    return int(math.log(max(seconds, _LEAST_SECONDS) / _LEAST_SECONDS, _GROWTH))


async def look(recent: Recent, history: History) -> None:
    """See what waits, once a step; less often when counting takes long, so that it costs a twentieth of a core."""
    while True:
        begun = time.monotonic()
        try:
            recent.waiting(await history.pending_by_target())
        except BackendUnavailable as fault:
            log.warning("plots.unavailable", reason=str(fault))
        await asyncio.sleep(max(STEP_SECONDS, 20 * (time.monotonic() - begun)))
