"""uvicorn's HTTP/1.1 for strangers: a client must send its request in time, and there are only so many at once."""

import asyncio
from ipaddress import ip_address

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LEAST_BYTES_A_SECOND = 16 * 1024
"""A large body gives its client more time, as long as it comes at this rate."""

_ANSWER = "HTTP/1.1 {} {}\r\nconnection: close\r\ncontent-length: 0\r\n{}\r\n"
_TOO_MANY = _ANSWER.format(503, "Service Unavailable", "retry-after: 1\r\n").encode()
_TOO_SLOW = _ANSWER.format(408, "Request Timeout", "").encode()


def bounded_http(*, request_seconds: float, connections: int, connections_per_client: int) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=…)`.

    It ends a connection on which no whole request came within `request_seconds`, and one second more for each 16 KiB.
    Connections from one address that is not this machine's are `connections_per_client` at most, so that no client
    takes all places. None are held back for health probes: what a connection will ask is not known when it is made.
    """

    class Bounded(_BoundedHttp):
        _request_seconds = request_seconds
        _connections = connections
        _connections_per_client = connections_per_client

    return Bounded


class _BoundedHttp(HttpToolsProtocol):
    """Between requests uvicorn's own keep-alive time-out watches; before and within one, this does."""

    _request_seconds: float
    _connections: int
    _connections_per_client: int
    _waiting_since: float | None
    """When we began to wait for a whole request; None while we wait for none."""
    _received = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self._connections or self._one_client_too_many():
            transport.write(_TOO_MANY)
            transport.close()
        else:
            self._waiting_since = self.loop.time()
            self._look()

    def _one_client_too_many(self) -> bool:
        most = self._connections_per_client
        if len(self.connections) <= most or self.client is None or ip_address(self.client[0]).is_loopback:
            return False
        clients = [other.client for other in self.connections if isinstance(other, _BoundedHttp)]
        return sum(client is not None and client[0] == self.client[0] for client in clients) > most

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._waiting_since, self._received = self.loop.time(), 0
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._waiting_since, self._received = None, 0
        super().on_message_complete()

    def _look(self) -> None:
        """One timer serves all requests of a connection: it goes off seldom and looks what is due by then."""
        now = self.loop.time()
        since = now if self._waiting_since is None else self._waiting_since
        due = since + self._request_seconds + self._received / _LEAST_BYTES_A_SECOND
        if self.flow.read_paused:  # we are slow, not the client
            due = max(due, now + 1)
        if now < due:
            # No later than a request that begins now would be due.
            self._timer = self.loop.call_at(min(due, now + self._request_seconds), self._look)
        else:
            self._cut_off()

    def _cut_off(self) -> None:
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not answering:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
