"""Outgoing HTTP/1.1 over connections that are kept alive: a pool for many small requests, behind httpx's interface."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import httpx

from ossfn.adapter.addresses import Network
from ossfn.adapter.connection import Answer, Connection, Keep, NoAnswer, Patience
from ossfn.adapter.connector import Connector, Origin, Resolver, out_of_time, resolve

_A_DAY = 24 * 3600.0


class Timeouts(NamedTuple):
    """How long each part of a request may take, in seconds; None is a day."""

    connect: float | None = 5.0
    """Looking up the name, connecting, the TLS handshake."""
    read: float | None = 5.0
    """Until more of the answer comes."""
    write: float | None = 5.0
    """Until the target reads more of the request."""
    pool: float | None = 5.0
    """Until one of the origin's connections is free."""
    total: float | None = None
    """All of it."""

    def from_now(self) -> Patience:
        """The same for an exchange that begins now."""
        connect, read, write, pool, total = (_A_DAY if limit is None else limit for limit in self)
        return Patience(connect, read, write, pool, asyncio.get_running_loop().time() + total)


def request_bytes(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A whole HTTP/1.1 request; `headers` hold `Host` and, for a body, `Content-Length`.

    Raises httpx.LocalProtocolError when one of them holds a line break, which would smuggle in another header.
    """
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target), *(b"%s: %s" % header for header in headers)]
    head = b"\r\n".join(lines)
    if not head.count(b"\n") == head.count(b"\r") == len(lines) - 1:
        raise httpx.LocalProtocolError("a header holds a line break")
    return b"%s\r\n\r\n%s" % (head, body)


class _Pool:
    """The connections of one origin; `slots` bounds how many are in use."""

    def __init__(self, connections: int) -> None:
        self.slots = asyncio.Semaphore(connections)
        self.users = 0
        self.idle: list[Connection] = []

    def take(self, used_after: float) -> Connection | None:
        """The connection used last, if it is still open and was used after this time."""
        while self.idle:
            connection = self.idle.pop()
            if connection.reusable and connection.used_at > used_after:
                return connection
            connection.close()
        return None

    def close_idle(self, used_after: float) -> None:
        """Close all but the open ones used after this time."""
        idle, self.idle = self.idle, []
        for connection in idle:
            if connection.reusable and connection.used_at > used_after:
                self.idle.append(connection)
            else:
                connection.close()


class KeepAliveTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over TCP, TLS and unix sockets, in one event loop: `httpx.AsyncClient(transport=KeepAliveTransport())`.

    Of a body `keep.body` bytes are handed on (the answer's extension `truncated` says when there was more); there are
    no streams, proxies or redirects. A request that fails on a connection used before, without one byte of an answer,
    is sent once more on a fresh one, since the peer probably closed it just then. It may have been read all the same:
    this transport is for requests that may arrive twice, as deliveries may.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        ssl_context: ssl.SSLContext | None = None,
        connections_per_origin: int = 128,
        idle_seconds: float = 15.0,
        keep: Keep | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        self._connector = Connector(allowed, ssl_context or httpx.create_ssl_context(), resolver, keep or Keep())
        self._connections_per_origin = connections_per_origin
        self._idle_seconds = idle_seconds
        self._pools: dict[Origin, _Pool] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx.

        Extensions: httpx's `timeout`, which may also hold `total`; `guarded` (True unless given: public addresses and
        `allowed` only); `unix_socket`, the path of a socket to use in place of the URL's host.
        """
        body = await request.aread()
        answer = await self.exchange(
            _origin(request),
            request_bytes(request.method, request.url.raw_path, _headers(request, body), body),
            Timeouts(**request.extensions.get("timeout", {})),
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=httpx.ByteStream(answer.body),
            extensions={"http_version": b"HTTP/1.1", "truncated": answer.truncated},
        )

    async def exchange(self, origin: Origin, request: bytes, timeouts: Timeouts) -> Answer:
        """Send what `request_bytes` made and wait for the answer: the same without httpx's objects, for the busy path.

        Raises httpx.TransportError, of which AddressRefused is one.
        """
        if self._closed:
            raise RuntimeError("this transport is closed")
        patience = timeouts.from_now()
        pool = self._pool(origin)
        pool.users += 1
        try:
            await self._slot(pool, patience)
            try:
                return await self._on_a_connection(pool, origin, request, patience)
            finally:
                pool.slots.release()
        finally:
            pool.users -= 1

    async def aclose(self) -> None:
        """Close what is idle, and what is in use as soon as its exchange ends."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._pools.values():
            pool.close_idle(used_after=float("inf"))
        # A closed connection lets go of its socket in the loop's next round.
        await asyncio.sleep(0)

    async def _slot(self, pool: _Pool, patience: Patience) -> None:
        if not pool.slots.locked():
            await pool.slots.acquire()
            return
        seconds = _left(patience.pool, patience)
        message = f"none of {self._connections_per_origin} requests under way to this host ended within {seconds:.3g} s"
        async with out_of_time(seconds, httpx.PoolTimeout(message)):
            await pool.slots.acquire()

    async def _on_a_connection(self, pool: _Pool, origin: Origin, request: bytes, patience: Patience) -> Answer:
        used = pool.take(asyncio.get_running_loop().time() - self._idle_seconds)
        if used is not None:
            try:
                return await self._ask(pool, used, request, patience)
            except NoAnswer:
                pass
        fresh = await self._connector.connect(origin, _left(patience.connect, patience))
        return await self._ask(pool, fresh, request, patience)

    async def _ask(self, pool: _Pool, connection: Connection, request: bytes, patience: Patience) -> Answer:
        try:
            return await connection.ask(request, patience)
        finally:
            if connection.reusable and not self._closed:
                connection.used_at = asyncio.get_running_loop().time()
                pool.idle.append(connection)
            else:
                connection.close()

    def _pool(self, origin: Origin) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool(self._connections_per_origin)
            self._sweep_later()
        return pool

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long, and forget origins that nobody uses."""
        used_after = asyncio.get_running_loop().time() - self._idle_seconds
        for origin, pool in list(self._pools.items()):
            pool.close_idle(used_after)
            if not pool.idle and not pool.users:
                del self._pools[origin]
        self._sweeper = None
        if self._pools:
            self._sweep_later()


def _origin(request: httpx.Request) -> Origin:
    if path := request.extensions.get("unix_socket"):
        return Origin("unix", str(path))
    return Origin.of(request.url, guarded=request.extensions.get("guarded", True))


def _headers(request: httpx.Request, body: bytes) -> list[tuple[bytes, bytes]]:
    """The request's headers, with a length in place of chunked coding: the body is whole."""
    headers = [header for header in request.headers.raw if header[0].lower() != b"transfer-encoding"]
    if len(headers) < len(request.headers.raw):
        headers.append((b"Content-Length", b"%d" % len(body)))
    return headers


def _left(seconds: float, patience: Patience) -> float:
    """What is left of these seconds at the deadline."""
    return max(0.0, min(seconds, patience.deadline - asyncio.get_running_loop().time()))
