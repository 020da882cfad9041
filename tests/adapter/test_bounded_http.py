"""Clients that are slow, and clients that are many, over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.server import ServerState

from ossfn.adapter.web.bounded_http import bounded_http


class From(asyncio.Transport):
    """A connection from somewhere else, which a test on one machine cannot make."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 50_000), "sockname": ("192.0.2.1", 8450)})
        self.sent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return bool(self.sent)

    def close(self) -> None:
        pass


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


async def read_it(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        return Response(status_code=400)


async def slow(request: Request) -> Response:
    await request.body()
    await asyncio.sleep(0.6)
    return PlainTextResponse("done")


async def late_reader(request: Request) -> Response:
    await asyncio.sleep(0.6)
    return PlainTextResponse(str(len(await request.body())))


@asynccontextmanager
async def serving(*, request_seconds: float = 0.3, connections: int = 100) -> AsyncIterator[int]:
    """The port of a server."""
    posts = {"/": read_it, "/slow": slow, "/late": late_reader}
    app = Starlette(routes=[Route(path, handle, methods=["POST"]) for path, handle in posts.items()])
    http = bounded_http(request_seconds=request_seconds, connections=connections, connections_per_client=2)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, http=http, ws="none"))
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(5):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Send = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def connected(port: int) -> Client:
    return await asyncio.open_connection("127.0.0.1", port)


async def answer_to(port: int, send: Send) -> bytes:
    reader, writer = await connected(port)
    sending = asyncio.ensure_future(send(writer))
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        sending.cancel()
        writer.close()


async def nothing(writer: asyncio.StreamWriter) -> None:
    pass


async def half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST / HTTP/1.1\r\nHost:")


async def a_head_byte_by_byte(writer: asyncio.StreamWriter) -> None:
    for byte in HEAD % 10 * 100:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def half_a_body(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % 10 + b"half")


async def a_body_byte_by_byte(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % 1000)
    for _ in range(1000):
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("send", [nothing, half_a_head, a_head_byte_by_byte, half_a_body, a_body_byte_by_byte])
async def test_a_client_that_does_not_send_its_request_in_time_is_cut_off(send: Send) -> None:
    async with serving() as port:
        start = time.monotonic()
        answer = await answer_to(port, send)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n")
        assert 0.25 < time.monotonic() - start < 1


@pytest.mark.parametrize("half", [b"POST / HTTP/1.1\r\nHo", HEAD % 2 + b"a"])
async def test_a_second_request_has_the_same_time(half: bytes) -> None:
    async def one_and_a_half(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % 2 + b"ab")
        await asyncio.sleep(0.25)
        writer.write(half)

    async with serving() as port:
        start = time.monotonic()
        answer = await answer_to(port, one_and_a_half)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"408 Request Timeout" in answer
        assert 0.5 < time.monotonic() - start < 1.5


async def test_a_large_body_buys_no_time_for_the_next_request() -> None:
    async def one_and_a_half(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % 1_000_000 + b"x" * 1_000_000)
        await asyncio.sleep(0.1)
        writer.write(HEAD % 2 + b"a")

    async with serving() as port:
        start = time.monotonic()
        assert b"408 Request Timeout" in await answer_to(port, one_and_a_half)
        assert time.monotonic() - start < 1.5


async def test_a_large_body_has_more_time_while_it_comes_fast_enough() -> None:
    async def at_a_fair_rate(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD.replace(b"Host", b"Connection: close\r\nHost") % 200_000)
        for _ in range(20):
            writer.write(b"x" * 10_000)
            await asyncio.sleep(0.04)

    async with serving() as port:
        start = time.monotonic()
        assert (await answer_to(port, at_a_fair_rate)).endswith(b"200000")
        assert time.monotonic() - start > 0.6


@pytest.mark.parametrize(("path", "size", "expected"), [(b"/slow", 2, b"done"), (b"/late", 1_000_000, b"1000000")])
async def test_our_own_slowness_is_nobodys_fault(path: bytes, size: int, expected: bytes) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        head = HEAD.replace(b"/ ", path + b" ", 1).replace(b"Host", b"Connection: close\r\nHost")
        writer.write(head % size + b"x" * size)

    async with serving() as port:
        assert (await answer_to(port, send)).endswith(expected)


async def test_connections_above_the_cap_are_told_so_and_those_below_work_on() -> None:
    async def good(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD.replace(b"Host", b"Connection: close\r\nHost") % 2 + b"ab")

    async with serving(request_seconds=5, connections=3) as port:
        clients = [await connected(port) for _ in range(3)]
        refused = await answer_to(port, nothing)
        assert refused.startswith(
            b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1"
        )
        for reader, writer in clients:
            await good(writer)
            assert (await reader.read()).endswith(b"2")
            writer.close()
        assert (await answer_to(port, good)).endswith(b"2")


async def test_one_client_elsewhere_takes_only_so_many_places() -> None:
    http: Callable[..., asyncio.Protocol] = bounded_http(request_seconds=5, connections=7, connections_per_client=2)
    config, state = uvicorn.Config(Starlette(), lifespan="off", ws="none"), ServerState()
    config.load()
    kept = []

    def is_taken(address: str) -> bool:
        transport, protocol = From(address), http(config, state, {})
        protocol.connection_made(transport)
        if transport.sent:
            protocol.connection_lost(None)
        else:
            kept.append(protocol)
        return not transport.sent

    for address in ("192.0.2.7", "2001:db8::7"):
        assert [is_taken(address) for _ in range(3)] == [True, True, False]
    assert [is_taken("127.0.0.1") for _ in range(4)] == [True, True, True, False]
    kept.pop(0).connection_lost(None)
    assert is_taken("192.0.2.7")
    for protocol in kept:
        protocol.connection_lost(None)
