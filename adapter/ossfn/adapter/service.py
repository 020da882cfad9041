"""The composition root: the only file that names every part, fits them together, starts them and stops them."""

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from ossfn.adapter.backend import Backend, BackendUnavailable
from ossfn.adapter.backends import backend_for
from ossfn.adapter.delivery import Attempt, Delivered, Delivery, NextStep
from ossfn.adapter.dialects import DIALECTS
from ossfn.adapter.dispatcher import Dispatcher
from ossfn.adapter.ingest import Ingest, Source
from ossfn.adapter.metrics import Metrics, without_query
from ossfn.adapter.senders import Callbacks, HttpSender
from ossfn.adapter.settings import Settings
from ossfn.adapter.targets import Targets
from ossfn.adapter.transport import KeepAliveTransport
from ossfn.adapter.verification import CallbackVerification, Grants, Handshake
from ossfn.adapter.web.console.recent import Recent, look
from ossfn.adapter.web.ingest_api import Sender
from ossfn.adapter.web.ingest_auth import Fetch, fetch_through, guard_for
from ossfn.functions.service import Functions
from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.keys import KeyRing
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.stores.sql import SqlRuleStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that runs, for the doors that stand in front of it."""

    settings: Settings
    registry: Registry
    keys: KeyRing
    functions: Functions
    backend: Backend
    ingest: Ingest
    metrics: Metrics
    recent: Recent
    verification: CallbackVerification
    senders: dict[str, Sender]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The whole service but its doors; when the block ends it finishes what it is sending and gives the rest back."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        backend = backend_for(
            settings.backend,
            clock=time.time,
            lease_seconds=settings.lease_seconds,
            duplicate_window_seconds=settings.duplicate_window_seconds,
            max_pending=settings.max_pending,
            reserve_bytes=settings.disk_reserve_mb * 2**20,
        )
        await backend.open()
        stack.push_async_callback(backend.close)
        functions = await stack.enter_async_context(Functions(settings.data))
        transport = KeepAliveTransport(
            allowed=settings.callback_networks,
            # Shared by all callbacks on one host: wide enough that none which hangs takes its neighbours' places.
            connections_per_origin=4096,
        )
        stack.push_async_callback(transport.aclose)
        callbacks = Callbacks(
            settings.callbacks,
            origin=settings.webhook_origin,
            timeout_seconds=settings.callback_timeout_seconds,
        )
        keys = KeyRing(settings.registry, settings.data / "master.key", clock=time.time, local_key=settings.on_loopback)
        stack.callback(keys.close)
        verification = CallbackVerification(
            transport,
            callbacks.endpoint,
            backend,
            Handshake(settings.webhook_origin, settings.webhook_rate),
            Grants(settings.public_url, keys.derived) if settings.public_url else None,
        )
        registry = _registry(settings, functions, verification)
        stack.callback(registry.close)
        await asyncio.to_thread(registry.open)
        await asyncio.to_thread(keys.open)
        metrics = Metrics(backend, clock_start=time.time())
        recent = Recent(time.time)
        dispatcher = Dispatcher(
            backend,
            Targets(
                functions,
                HttpSender(transport, mode=settings.cloudevents),
                callbacks,
                settings,
            ),
            clock=time.time,
            dice=random.random,
            on_attempt=_reporter(metrics, recent),
            stop_seconds=settings.stop_seconds,
        )
        await _run(stack, dispatcher.run(), stop=dispatcher.stop)
        await _run(stack, _refresh(registry))
        await _run(stack, look(recent, backend))
        # Never sooner than a repeated event must be known as one.
        keep = max(settings.retention_days * 86400, settings.duplicate_window_seconds)
        await _run(stack, _clean_up(backend, keep))
        ingest = Ingest(
            backend,
            registry.match,
            clock=time.time,
            new_id=new_event_id,
            calls_per_minute=settings.key_calls_per_minute,
        )
        senders = _senders(settings, fetch_through(transport))
        yield Service(settings, registry, keys, functions, backend, ingest, metrics, recent, verification, senders)


def new_event_id() -> str:
    """32 hex digits that grow with time, so that indexes over them stay compact."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def new_rule_name() -> str:
    """20 characters like JD Cloud's (`bgd32g0tpenuipc0thog`)."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuv") for _ in range(20))


def _registry(settings: Settings, functions: Functions, verifier: CallbackVerification) -> Registry:
    return Registry(
        SqlRuleStore(settings.registry),
        functions,
        verifier=verifier,
        store_unverified=settings.callback_unverified == "pause",
        limits=settings.limits,
        clock=time.time,
        new_name=new_rule_name,
    )


def _senders(settings: Settings, fetch: Fetch) -> dict[str, Sender]:
    """The configured sources; on loopback, when there is none, every dialect by its own name, without a token."""
    own = {
        name: Sender(
            Source(name, source.dialect, source.region),
            source.token.get_secret_value() if source.token else None,
            guard_for(source.auth, fetch, time.time),
        )
        for name, source in settings.sources.items()
    }
    return own or ({name: Sender(Source(name, name)) for name in DIALECTS} if settings.on_loopback else {})


def _reporter(metrics: Metrics, recent: Recent) -> Any:
    """One log line and its counts for each try."""

    def report(delivery: Delivery, attempt: Attempt, step: NextStep) -> None:
        metrics.attempt(delivery, attempt, step)
        recent.attempt(delivery, attempt, step)
        say = log.info if isinstance(step, Delivered) else log.warning
        say(
            "delivery.attempted",
            delivery=delivery.id,
            target=without_query(delivery.target),
            rule=delivery.rule,
            bucket=delivery.event.bucket,
            key=delivery.event.key,
            event_name=delivery.event.name,
            attempt=attempt.number,
            status=attempt.status,
            seconds=round(attempt.seconds, 6),
            reason=attempt.reason,
            next=type(step).__name__,
        )

    return report


async def _run(stack: AsyncExitStack, work: Coroutine[Any, Any, None], *, stop: Any = None) -> None:
    """Run in the background until the stack unwinds: told to stop, or cancelled when it cannot be told."""
    task = asyncio.create_task(work)

    async def end() -> None:
        stop() if stop else task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)


async def _refresh(registry: Registry) -> None:
    """Take over rules that other processes changed."""
    while True:
        await asyncio.sleep(0.5)
        try:
            await asyncio.to_thread(registry.refresh)
        except RegistryUnavailable as fault:
            log.warning("registry.unavailable", reason=str(fault))


async def _clean_up(backend: Backend, keep_seconds: float) -> None:
    """Forget old events a few at a time, so that ingest never waits behind it."""
    while True:
        try:
            forgotten = await backend.clean_up(delivered_before=time.time() - keep_seconds, limit=500)
        except BackendUnavailable as fault:
            log.warning("clean_up.failed", reason=str(fault))
            forgotten = 0
        await asyncio.sleep(0.1 if forgotten else 60.0)
