"""What follows a try, told without a clock or dice."""

import pytest

from ossfn.adapter.delivery import (
    Accepted,
    Circuit,
    DeadLetter,
    Delivered,
    Failed,
    Gone,
    NextStep,
    Outcome,
    PauseTarget,
    Refused,
    RetryAt,
)
from ossfn.adapter.retry import PRESETS, CircuitPolicy, RetryPolicy

HALF = 0.5  # dice in the middle: no jitter


def step(policy: RetryPolicy, outcome: Outcome, attempt: int = 1, now: float = 1000, dice: float = HALF) -> NextStep:
    return policy.next_step(outcome, attempt=attempt, accepted_at=1000, now=now, dice=dice)


def test_outcomes_that_end_it() -> None:
    assert step(RetryPolicy(), Accepted()) == Delivered()
    assert step(RetryPolicy(), Refused("HTTP 404")) == DeadLetter("HTTP 404")
    assert step(RetryPolicy(), Gone("HTTP 410")) == PauseTarget("HTTP 410")


def test_delays_double_up_to_ten_minutes() -> None:
    policy = RetryPolicy()
    assert [policy.delay(n, HALF) for n in range(1, 13)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert policy.delay(10_000, HALF) == 600


@pytest.mark.parametrize(("dice", "delay"), [(0.0, 0.8), (0.5, 1.0), (0.999999, 1.2)])
def test_jitter_spreads_a_delay(dice: float, delay: float) -> None:
    assert RetryPolicy().delay(1, dice) == pytest.approx(delay, abs=1e-5)


def test_retry_after_wins_when_longer_and_is_capped() -> None:
    policy = RetryPolicy()
    assert step(policy, Failed("HTTP 503", retry_after=30)) == RetryAt(1030)
    assert step(policy, Failed("HTTP 503", retry_after=0)) == RetryAt(1001)
    assert step(policy, Failed("HTTP 503", retry_after=10**9)) == RetryAt(1000 + 3600)


def test_a_day_of_failures_ends_as_a_dead_letter() -> None:
    now, attempt, policy = 1000.0, 0, RetryPolicy()
    while True:
        attempt += 1
        follows = step(policy, Failed("HTTP 503"), attempt, now)
        if not isinstance(follows, RetryAt):
            break
        assert follows.at > now
        now = follows.at
    assert follows == DeadLetter("gave up after 86400 s: HTTP 503")
    assert 86400 - 600 <= now - 1000 <= 86400
    assert attempt == 153


def test_presets_end_after_their_attempts() -> None:
    for name, attempts in (("jd", 4), ("lambda", 3)):
        policy = PRESETS[name]
        assert isinstance(step(policy, Failed("no"), attempts - 1), RetryAt)
        assert step(policy, Failed("no"), attempts) == DeadLetter(f"gave up after {attempts} attempts: no")
    assert [PRESETS["lambda"].delay(n, 0.1) for n in (1, 2)] == [60, 120]
    assert 10 <= PRESETS["jd"].delay(3, 0.0) <= PRESETS["jd"].delay(3, 0.99) <= 20


def test_standard_webhooks_schedule() -> None:
    policy, minute, hour = PRESETS["standard-webhooks"], 60, 3600
    wanted = [5, 5 * minute, 30 * minute, *(n * hour for n in (2, 5, 10, 14, 20, 24))]
    assert [policy.delay(n, HALF) for n in range(1, 10)] == wanted
    now = 1000.0
    for attempt, delay in enumerate(wanted, 1):
        assert step(policy, Failed("HTTP 503"), attempt, now) == RetryAt(now + delay)
        now += delay
    assert step(policy, Failed("HTTP 503"), 10, now) == DeadLetter("gave up after 10 attempts: HTTP 503")
    assert now - 1000 == 75 * hour + 35 * minute + 5


def test_a_circuit_stays_open_longer_each_time_up_to_a_minute() -> None:
    circuit, times = CircuitPolicy().opened(None, 1000.0), []
    for _ in range(6):
        times.append(circuit.open_until - 1000)
        circuit = CircuitPolicy().opened(circuit, 1000.0)
    assert times == [5, 10, 20, 40, 60, 60]
    assert circuit == Circuit(7, 1060.0)
    assert CircuitPolicy().opened(Circuit(10_000, 0.0), 0.0).open_until == 60
