"""The last hour in memory: what is counted, for how long, and that it cannot grow without end."""

from dataclasses import dataclass

import msgspec
import pytest

from ossfn.adapter.delivery import Attempt, DeadLetter, Delivered, Delivery, NextStep, RetryAt
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.web.console.recent import MOST_TARGETS, OTHERS, STEP_SECONDS, STEPS, Recent

NOON = 1_700_000_000.0
EVENT = ObjectEvent("s3:ObjectCreated:Put", "photos", "a", "", "aws", "aws:s3", msgspec.Raw(b"{}"))


@dataclass
class Clock:
    """Time that moves when told to."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


def tried(recent: Recent, clock: Clock, step: NextStep, target: str = "function:f", seconds: float = 0.1) -> None:
    """A try that ends now, of a delivery that was accepted so long ago."""
    delivery = Delivery("e-0", "e", EVENT, target, "r", 1, "structured", 1, clock.now - seconds, 1)
    recent.attempt(delivery, Attempt(1, clock.now, 0.0, 200, ""), step)


def test_each_outcome_is_counted_for_its_target() -> None:
    clock = Clock()
    recent = Recent(clock)
    for step in (Delivered(), Delivered(), RetryAt(0), DeadLetter("no")):
        tried(recent, clock, step)
    tried(recent, clock, Delivered(), "callback:http://x/")
    found = recent.targets(300)
    assert (found["function:f"].delivered, found["function:f"].failed, found["function:f"].dead) == (2, 1, 1)
    assert found["callback:http://x/"].delivered == 1


def test_a_series_has_a_value_for_every_full_step_of_the_hour() -> None:
    clock = Clock()
    recent = Recent(clock)
    tried(recent, clock, Delivered(), seconds=0.25)
    recent.waiting({"function:f": (3, clock.now - 60), "function:g": (2, clock.now - 20)})
    clock.now += STEP_SECONDS
    both, one = recent.series(""), recent.series("function:g")
    assert len(both["at"]) == STEPS - 1
    assert both["at"][-1] == NOON // STEP_SECONDS * STEP_SECONDS
    assert both["delivered"][-2:] == [0, 1 / STEP_SECONDS]
    assert both["p50"][-2:] == [None, pytest.approx(0.25, rel=0.13)]
    assert (both["waiting"][-1], one["waiting"][-1]) == (5, 2)
    assert both["waiting"][-2] is None
    assert one["lag"][-1] == pytest.approx(20, abs=STEP_SECONDS)


def test_percentiles_tell_the_slow_from_the_quick() -> None:
    clock = Clock()
    recent = Recent(clock)
    for _ in range(98):
        tried(recent, clock, Delivered(), seconds=0.01)
    for _ in range(2):
        tried(recent, clock, Delivered(), seconds=90)
    tally = recent.targets(10)["function:f"]
    assert tally.percentile(0.5) == pytest.approx(0.01, rel=0.13)
    assert tally.percentile(0.99) == pytest.approx(90, rel=0.13)


def test_what_is_older_than_asked_for_is_left_out() -> None:
    clock = Clock()
    recent = Recent(clock)
    tried(recent, clock, Delivered())
    clock.now += 400
    assert recent.targets(300) == {}
    clock.now += STEPS * STEP_SECONDS
    assert not any(recent.series("")["delivered"])


def test_many_targets_are_counted_together() -> None:
    clock = Clock()
    recent = Recent(clock)
    for n in range(MOST_TARGETS + 5):
        tried(recent, clock, Delivered(), f"callback:http://{n}/")
    found = recent.targets(10)
    assert len(found) == MOST_TARGETS + 1
    assert found[OTHERS].delivered == 5
    recent.waiting({f"callback:http://{n}/": (n, clock.now) for n in range(MOST_TARGETS + 5)})
    clock.now += STEP_SECONDS
    assert recent.series("")["delivered"][-1] == (MOST_TARGETS + 5) / STEP_SECONDS
    assert recent.series("")["waiting"][-1] == sum(range(MOST_TARGETS + 5))
    assert recent.series(OTHERS)["waiting"][-1] == sum(range(5))
