"""What Prometheus reads at `/metrics`: events and deliveries by state, tries by outcome, what waits for each target."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ossfn.adapter.backend import History
from ossfn.adapter.delivery import Attempt, DeadLetter, Delivered, Delivery, NextStep, PauseTarget, RetryAt

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
_RESULT = {Delivered: "delivered", RetryAt: "retry", DeadLetter: "dead", PauseTarget: "paused"}

MOST_TARGETS = 1000
"""Targets whose tries are counted each by itself; those that come later are counted together, as `other`."""


def without_query(target: str) -> str:
    """A target as metrics and logs may name it: in the query of a callback's URL secrets stand."""
    name, asked, _ = target.partition("?")
    return f"{name}?…" if asked else name


class Metrics:
    """The service's instruments, in a collection of their own."""

    def __init__(self, history: History, *, clock_start: float) -> None:
        self._history = history
        self._counted: set[str] = set()
        self._all = CollectorRegistry()
        self._attempts = Counter("ossfn_attempts", "Tries, by what followed", ["target", "result"], registry=self._all)
        self._refused = Counter(
            "ossfn_ingest_refused",
            "Notifications not let in, and why",
            ["source", "reason"],
            registry=self._all,
        )
        self._attempt_seconds = self._histogram("ossfn_attempt_seconds", "How long a try took")
        self._delivery_seconds = self._histogram("ossfn_delivery_seconds", "From accepted to delivered")
        self._events = self._gauge("ossfn_events", "Events received, by what became of them", "kind")
        self._deliveries = self._gauge("ossfn_deliveries", "Deliveries by state; accepted is their sum", "state")
        self._waiting = self._gauge("ossfn_waiting", "Deliveries that wait, by target", "target")
        self._oldest = self._gauge("ossfn_oldest_accepted_seconds", "When the oldest was accepted, Unix time", "target")
        self._circuits = self._gauge("ossfn_circuit_open", "1 while a target is left alone for failing", "target")
        self._missing = Gauge("ossfn_conservation", "Accepted deliveries in no state; must be 0", registry=self._all)
        self._ready = Gauge("ossfn_ready", "1 while notifications are accepted", registry=self._all)
        Gauge("ossfn_started_seconds", "When the service started, Unix time", registry=self._all).set(clock_start)

    def _gauge(self, name: str, text: str, label: str) -> Gauge:
        return Gauge(name, text, [label], registry=self._all)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, buckets=_SECONDS, registry=self._all)

    def refused(self, source: str, reason: str) -> None:
        """A notification was not let in; `source` is empty for one that is not configured."""
        self._refused.labels(source, reason).inc()

    def attempt(self, delivery: Delivery, attempt: Attempt, step: NextStep) -> None:
        """One try has ended."""
        self._attempts.labels(self._counted_as(delivery.target), _RESULT[type(step)]).inc()
        self._attempt_seconds.observe(attempt.seconds)
        if isinstance(step, Delivered):
            self._delivery_seconds.observe(max(0.0, attempt.started_at + attempt.seconds - delivery.accepted_at))

    def _counted_as(self, target: str) -> str:
        name = without_query(target)
        if name not in self._counted:
            if len(self._counted) == MOST_TARGETS:
                return "other"
            self._counted.add(name)
        return name

    async def render(self, *, ready: bool) -> bytes:
        """The text to be scraped; the counts are read from the outbox at this moment."""
        stats = await self._history.stats()
        self._ready.set(ready)
        for kind in ("events", "unmatched", "duplicates"):
            self._events.labels(kind).set(getattr(stats, kind))
        for state in ("accepted", "delivered", "dead", "pending", "cancelled"):
            self._deliveries.labels(state).set(getattr(stats, state))
        self._missing.set(stats.accepted - stats.delivered - stats.dead - stats.pending - stats.cancelled)
        self._set_targets(await self._history.pending_by_target())
        return generate_latest(self._all)

    def _set_targets(self, pending: Mapping[str, tuple[int, float]]) -> None:
        for gauge in (self._waiting, self._oldest, self._circuits):
            gauge.clear()
        since: dict[str, float] = {}
        for target, (count, oldest) in pending.items():
            name = without_query(target)
            since[name] = min(oldest, since.get(name, oldest))
            self._waiting.labels(name).inc(count)  # targets that differ in their query are one here
            self._oldest.labels(name).set(since[name])
        for target in self._history.circuits():
            self._circuits.labels(without_query(target)).set(1)
