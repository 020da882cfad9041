"""How targets are treated: what follows a try, when a failing one is left alone. Pure: clock, dice are arguments."""

from dataclasses import dataclass
from typing import assert_never

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


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter, bounded by age and by number of attempts. All times in seconds."""

    delays: tuple[float, ...] = ()
    """A fixed schedule in place of the exponential one; after its end the delivery is a dead letter."""
    first_delay: float = 1.0
    """After the first try."""
    factor: float = 2.0
    """Each delay is so many times the one before."""
    max_delay: float = 600.0
    """No delay is longer than this."""
    max_age: float = 24 * 3600.0
    """A delivery older than this at its next try is a dead letter."""
    max_attempts: int | None = None
    """After so many tries it is a dead letter; None: `max_age` alone counts."""
    jitter: float = 0.2
    """The delay is spread over ±20 %, so that many failures do not come back in one wave."""
    max_retry_after: float = 3600.0
    """A target's Retry-After counts up to here."""

    def delay(self, attempt: int, dice: float) -> float:
        """Seconds to wait after try number `attempt` (from 1); `dice` in [0, 1)."""
        if self.delays:
            plain = self.delays[min(attempt, len(self.delays)) - 1]
        else:  # the exponent is bounded so that a thousandth attempt does not overflow a float
            plain = min(self.max_delay, self.first_delay * self.factor ** min(attempt - 1, 64))
        return plain * (1 + self.jitter * (2 * dice - 1))

    def next_step(self, outcome: Outcome, *, attempt: int, accepted_at: float, now: float, dice: float) -> NextStep:
        """What follows try number `attempt` that ended like this at `now`."""
        match outcome:
            case Accepted():
                return Delivered()
            case Refused(reason):
                return DeadLetter(reason)
            case Gone(reason):
                return PauseTarget(reason)
            case Failed(reason, retry_after):
                return self._again(reason, retry_after, attempt, accepted_at, now, dice)
            case _:
                assert_never(outcome)

    def _again(
        self, reason: str, retry_after: float | None, attempt: int, accepted_at: float, now: float, dice: float
    ) -> NextStep:
        most = len(self.delays) + 1 if self.delays else self.max_attempts
        if most is not None and attempt >= most:
            return DeadLetter(f"gave up after {attempt} attempts: {reason}")
        at = now + self.delay(attempt, dice)
        if retry_after is not None:
            at = max(at, now + min(retry_after, self.max_retry_after))
        if at > accepted_at + self.max_age:
            return DeadLetter(f"gave up after {self.max_age:g} s: {reason}")
        return RetryAt(at)


PRESETS: dict[str, RetryPolicy] = {
    "default": RetryPolicy(),
    # JD Cloud's notification service, BACKOFF_RETRY: three retries, 10 to 20 s apart.
    "jd": RetryPolicy(first_delay=15, factor=1, max_delay=15, jitter=1 / 3, max_attempts=4),
    # AWS Lambda, asynchronous invocation: two retries, after one and two minutes, at most 6 hours old.
    "lambda": RetryPolicy(first_delay=60, max_delay=120, jitter=0, max_attempts=3, max_age=6 * 3600),
    # Standard Webhooks 1.0, "Retries": ten tries over 75 hours and a half.
    "standard-webhooks": RetryPolicy(
        delays=(5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600),
        jitter=0.1,
        max_age=5 * 86400,
    ),
}


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """When a target that only fails is left alone for a while, and for how long. Times in seconds."""

    failures: int = 10
    """So many in a row, of whatever delivery."""
    first: float = 5.0
    """Doubled each time that the probe fails too."""
    longest: float = 60.0

    def opened(self, before: Circuit | None, now: float) -> Circuit:
        """The circuit after it opened, or after its probe failed."""
        times = before.opened + 1 if before else 1
        return Circuit(times, now + min(self.longest, self.first * 2 ** min(times - 1, 64)))


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """How one target is treated."""

    concurrency: int
    """Tries at a time."""
    retry: RetryPolicy = PRESETS["default"]
    per_second: float | None = None
    """Tries a second at most."""
    timeout_seconds: float = 60.0
    """No try takes longer."""
