"""Opens connections to where a URL points, and refuses callbacks that would reach into the operator's own network."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, NamedTuple

import httpx

from ossfn.adapter.addresses import Network, refusal
from ossfn.adapter.connection import Connection, Keep

_LOOK_UPS = 256
"""Names looked up at once, a thread each; only names whose server is silent take longer than a moment."""

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host name, best first; raises OSError."""


class AddressRefused(httpx.ConnectError):
    """A guarded request would have gone to an address that is not on the public internet; nothing was sent."""


class Origin(NamedTuple):
    """Where connections go; requests of one origin share them."""

    scheme: str
    """`http`, `https` or `unix`."""
    host: str
    """A name, an IP address, or the path of a unix socket."""
    port: int = 0
    guarded: bool = True
    """Whether only public and allowed addresses will do; means nothing for a unix socket."""
    tls: ssl.SSLContext | None = None
    """For `https`; None is the connector's own."""

    def __str__(self) -> str:
        """As a URL without path."""
        if self.scheme == "unix":
            return f"unix:{self.host}"
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @classmethod
    def of(cls, url: httpx.URL, *, guarded: bool, tls: ssl.SSLContext | None = None) -> "Origin":
        """The origin of an `http` or `https` URL; raises httpx.UnsupportedProtocol for any other."""
        ports = {"http": 80, "https": 443}
        if url.scheme not in ports or not url.raw_host:
            raise httpx.UnsupportedProtocol(f"{url} is no complete http:// or https:// address")
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or ports[url.scheme], guarded, tls)


async def resolve(host: str, port: int) -> Sequence[str]:
    """What addresses the system knows for a name."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        found = await _looked_up(host, port)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


async def _looked_up(host: str, port: int) -> list[tuple[Any, ...]]:
    """`getaddrinfo` on a thread of its own.

    The loop's threads are few, and a name server that does not answer holds one for half a minute; a daemon thread
    holds up neither the other names nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

    def answer(give: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if found.done() else give(value))

    def look_up() -> None:
        try:
            answer(found.set_result, socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer(found.set_exception, error)

    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    return await found


@asynccontextmanager
async def out_of_time(seconds: float, error: httpx.TimeoutException) -> AsyncIterator[None]:
    """Raise `error` when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise error from None


class Connector:
    """Looks a name up, judges each address, and connects to that very address, never to the name."""

    def __init__(self, allowed: Sequence[Network], ssl_context: ssl.SSLContext, resolver: Resolver, keep: Keep) -> None:
        self._allowed = allowed
        self._ssl_context = ssl_context
        self._resolver = resolver
        self._keep = keep
        self._lookups: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}
        self._resolving = asyncio.Semaphore(_LOOK_UPS)

    async def connect(self, origin: Origin, seconds: float) -> Connection:
        """A new connection. Raises AddressRefused, httpx.ConnectError or, after `seconds`, httpx.ConnectTimeout."""
        async with out_of_time(seconds, httpx.ConnectTimeout(f"no connection to {origin} within {seconds:g} s")):
            try:
                if origin.scheme == "unix":
                    return await self._to_socket(origin.host)
                return await self._to_host(origin, seconds)
            except ssl.SSLError as error:
                raise httpx.ConnectError(f"TLS with {origin} failed: {error}") from error
            except OSError as error:
                raise httpx.ConnectError(f"cannot connect to {origin}: {_in_words(error)}") from error

    async def _to_socket(self, path: str) -> Connection:
        loop = asyncio.get_running_loop()
        return (await loop.create_unix_connection(lambda: Connection(self._keep), path))[1]

    async def _to_host(self, origin: Origin, seconds: float) -> Connection:
        addresses = self._judged(origin, await self._look_up(origin))
        for address in addresses[:-1]:
            # One dead address must not use up the time of the next.
            try:
                async with asyncio.timeout(seconds / len(addresses)):
                    return await self._to_address(origin, address)
            except (OSError, TimeoutError):
                continue
        return await self._to_address(origin, addresses[-1])

    def _judged(self, origin: Origin, addresses: Sequence[str]) -> Sequence[str]:
        if not origin.guarded:
            return addresses
        refusals = {address: refusal(address, self._allowed) for address in addresses}
        passed = [address for address, reason in refusals.items() if reason is None]
        if not passed:
            raise AddressRefused(f"{origin} is blocked by policy: {refusals[addresses[0]]}")
        return passed

    async def _to_address(self, origin: Origin, address: str) -> Connection:
        secure = origin.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._keep),
            address,
            origin.port,
            ssl=(origin.tls or self._ssl_context) if secure else None,
            server_hostname=origin.host.rstrip(".") if secure else None,
        )
        return connection

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        async with self._resolving:
            return await self._resolver(host, port)

    async def _look_up(self, origin: Origin) -> Sequence[str]:
        """One look-up at a time for a name, and a bounded number at once."""
        key = (origin.host, origin.port)
        if (lookup := self._lookups.get(key)) is None:
            lookup = self._lookups[key] = asyncio.ensure_future(self._resolve(*key))
            lookup.add_done_callback(lambda _: self._lookups.pop(key))
        try:
            addresses = await asyncio.shield(lookup)
        # The codec for names raises UnicodeError for labels that are empty or too long.
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"cannot find {origin.host}: {error}") from error
        if not addresses:
            raise httpx.ConnectError(f"cannot find {origin.host}: it has no address")
        return addresses


def _in_words(error: OSError) -> str:
    """The system's words; asyncio and uvloop have each their own."""
    return os.strerror(error.errno) if error.errno else str(error)
