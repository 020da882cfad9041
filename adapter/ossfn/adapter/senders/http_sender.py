"""Sends a delivery to its target over HTTP and says what came of it; a target's failures are values, not exceptions."""

import asyncio
import ssl
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple

import httpx

from ossfn.adapter.cloudevent import Mode
from ossfn.adapter.connection import Answer
from ossfn.adapter.connector import AddressRefused, Origin
from ossfn.adapter.delivery import Accepted, Attempt, Delivery, Failed, Outcome, Refused
from ossfn.adapter.formats import render
from ossfn.adapter.senders.endpoint import Endpoint
from ossfn.adapter.statuses import outcome_of
from ossfn.adapter.transport import KeepAliveTransport, Timeouts, request_bytes

USER_AGENT = f"ossfn/{version('ossfn')}".encode("ascii")


class HttpSender:
    """Sends deliveries through one transport. `mode` is how strictly CloudEvents follow the `aws-s3` table."""

    def __init__(
        self, transport: KeepAliveTransport, *, mode: Mode = "safe", clock: Callable[[], float] = time.time
    ) -> None:
        self._transport = transport
        self._mode = mode
        self._clock = clock

    async def send(self, delivery: Delivery, endpoint: Endpoint) -> tuple[Outcome, Attempt]:
        """Try once. Whatever the target or the network does becomes an Outcome; only a cancellation passes through."""
        loop = asyncio.get_running_loop()
        started_at, start = self._clock(), loop.time()
        try:
            answer = await self._post(delivery, endpoint)
        except httpx.TransportError as error:
            outcome, status, body = _outcome_of_error(error), None, b""
        else:
            outcome = outcome_of(answer.status, answer.header(b"retry-after"), self._clock())
            status, body = answer.status, answer.body
        seconds = loop.time() - start
        if isinstance(outcome, Accepted):
            return outcome, Attempt(delivery.attempt, started_at, seconds, status, reason="")
        return outcome, Attempt(delivery.attempt, started_at, seconds, status, outcome.reason, body)

    async def _post(self, delivery: Delivery, endpoint: Endpoint) -> Answer:
        address = _address(endpoint.url, endpoint.guarded, endpoint.tls)
        rendered, body = render(
            delivery.format,
            delivery.event,
            delivery.event_id,
            rule=delivery.rule,
            generation=delivery.generation,
            mode=self._mode,
        )
        signed = endpoint.signer.headers(delivery.id, self._clock(), body) if endpoint.signer else []
        headers = [
            (b"Host", address.host),
            (b"User-Agent", USER_AGENT),
            # Standard Webhooks' name for what stays the same over all attempts.
            (b"webhook-id", delivery.id.encode("ascii")),
            (b"ossfn-delivery", delivery.id.encode("ascii")),
            (b"ossfn-attempt", b"%d" % delivery.attempt),
            (b"Content-Length", b"%d" % len(body)),
            *((name.encode(), value.encode()) for name, value in (*rendered, *signed, *endpoint.headers)),
        ]
        request = request_bytes("POST", address.target, headers, body)
        return await self._transport.exchange(address.origin, request, _timeouts(endpoint))


class _Address(NamedTuple):
    origin: Origin
    host: bytes
    """The `Host` header."""
    target: bytes
    """Path and query."""


def _timeouts(endpoint: Endpoint) -> Timeouts:
    seconds = endpoint.timeout_seconds
    return Timeouts(endpoint.connect_seconds, endpoint.read_seconds or seconds, seconds, seconds, seconds)


@lru_cache(maxsize=4096)
def _address(url: str, guarded: bool, tls: ssl.SSLContext | None) -> _Address:
    """Raises httpx.UnsupportedProtocol for a URL of another kind."""
    if url.startswith("unix:") and not guarded:
        return _Address(Origin("unix", url.removeprefix("unix:")), b"localhost", b"/")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise httpx.UnsupportedProtocol(f"{url} is not a URL: {error}") from error
    return _Address(Origin.of(parsed, guarded=guarded, tls=tls), parsed.netloc, parsed.raw_path)


def _outcome_of_error(error: httpx.TransportError) -> Outcome:
    match error:
        case AddressRefused():
            return Refused(str(error))
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            # No target was asked: the URL or a header cannot be sent as it is.
            return Refused(f"cannot be sent: {error}")
        case _:
            # A certificate that does not verify is retried too: it gets renewed, or the clock set right.
            return Failed(str(error))
