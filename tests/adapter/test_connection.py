"""One connection against servers that answer well, oddly and badly."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.adapter.conftest import RawServer, Serve, Talk, read_request

from ossfn.adapter.connection import Answer, Connection, Keep, NoAnswer, Patience

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The two loops differ in how they close, cut and time out."""
    return "asyncio", {"use_uvloop": request.param}


def answering(*pieces: bytes, then_close: bool = False) -> Talk:
    """A server that gives each request the same answer, in pieces that arrive one by one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if then_close:
                return

    return talk


def patience(*, read: float = 2.0, write: float = 2.0, total: float = 3.0) -> Patience:
    return Patience(2.0, read, write, 2.0, asyncio.get_running_loop().time() + total)


@asynccontextmanager
async def connection_to(server: RawServer, keep: Keep = Keep()) -> AsyncIterator[Connection]:  # noqa: B008 - a constant
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(keep), "127.0.0.1", server.port)
    try:
        yield connection
    finally:
        connection.close()
        await server.all_closed()


LASTING = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyo", 200, b"yo"),
    "empty": (b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", 201, b""),
    "no reason phrase": (b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", 500, b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b""),
    "no content, with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", 204, b""),
    "not modified, with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b""),
    "not modified, chunked": (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, b""),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;why=because\r\ny\r\n1\r\no\r\n0\r\n\r\n",
        200,
        b"yo",
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        200,
        b"yo",
    ),
    "continue first": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyo", 200, b"yo"),
    "hints first": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyo",
        200,
        b"yo",
    ),
    "HTTP/1.0 kept alive": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nyo", 200, b"yo"),
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize(("answer", "status", "body"), LASTING.values(), ids=LASTING)
async def test_answers_after_which_the_connection_is_used_again(
    serve: Serve, answer: bytes, status: int, body: bytes, bytewise: bool
) -> None:
    pieces = [answer[i : i + 1] for i in range(len(answer))] if bytewise else [answer]
    server = await serve(answering(*pieces))
    async with connection_to(server) as connection:
        for _ in range(3):
            got = await connection.ask(POST, patience())
            assert (got.status, got.body, got.truncated) == (status, body, False)
            assert connection.reusable
    assert server.connections == 1


LAST = {
    "connection: close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nyo", 200, b"yo"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nyo", 200, b"yo"),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\nyo", 200, b"yo"),
    "HTTP/1.0 until the end": (b"HTTP/1.0 200 OK\r\n\r\nyo", 200, b"yo"),
    "another coding until the end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nyo", 200, b"yo"),
    "one answer too many": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyo" * 2, 200, b"yo"),
    "nonsense after the answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyo\0\xff", 200, b"yo"),
}


@pytest.mark.parametrize(("answer", "status", "body"), LAST.values(), ids=LAST)
async def test_answers_after_which_the_connection_is_not_used_again(
    serve: Serve, answer: bytes, status: int, body: bytes
) -> None:
    async with connection_to(await serve(answering(answer, then_close=True))) as connection:
        got = await connection.ask(POST, patience())
        assert (got.status, got.body, got.truncated) == (status, body, False)
        assert not connection.reusable


BROKEN = {
    "no HTTP": (b"220 smtp.example.com ESMTP\r\n", httpx.RemoteProtocolError),
    "HTTP/2": (b"\0\0\x12\4\0\0\0\0\0", httpx.RemoteProtocolError),
    "a head cut off": (b"HTTP/1.1 200 OK\r\nContent-Le", httpx.RemoteProtocolError),
    "a body cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyo", httpx.RemoteProtocolError),
    "a chunk cut off": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nyo", httpx.RemoteProtocolError),
    "the last chunk missing": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n",
        httpx.RemoteProtocolError,
    ),
    "a chunk of no size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        httpx.RemoteProtocolError,
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nyo", httpx.RemoteProtocolError),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nyo", httpx.RemoteProtocolError),
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\n\r\n",
        httpx.RemoteProtocolError,
    ),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        httpx.RemoteProtocolError,
    ),
    "only a promise": (b"HTTP/1.1 100 Continue\r\n\r\n", httpx.RemoteProtocolError),
    "nothing": (b"", NoAnswer),
}


@pytest.mark.parametrize(("answer", "error"), BROKEN.values(), ids=BROKEN)
async def test_broken_answers_are_errors(serve: Serve, answer: bytes, error: type[Exception]) -> None:
    async with connection_to(await serve(answering(answer, then_close=True))) as connection:
        with pytest.raises(error) as caught:
            await connection.ask(POST, patience())
        assert type(caught.value) is error
        assert not connection.reusable


async def test_a_reset_in_the_middle_of_an_answer_is_an_error(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What is left unread makes the close a reset.
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyo")
        await asyncio.sleep(0.01)
        writer.transport.abort()

    async with connection_to(await serve(talk)) as connection:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError), match="middle of the answer"):
            await connection.ask(POST + b"more", patience())


async def test_an_answer_to_head_has_no_body(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"))
    async with connection_to(server) as connection:
        got = await connection.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", patience())
        assert got == Answer(200, [(b"Content-Length", b"2000")], b"", truncated=False)


async def test_headers_are_found_by_lower_case_name_and_trailers_are_no_headers(serve: Serve) -> None:
    head = b"HTTP/1.1 503 No\r\nRETRY-after:  7 \r\nTransfer-Encoding: chunked\r\n\r\n"
    server = await serve(answering(head, b"0\r\nX-Late: 1\r\n\r\n"))
    async with connection_to(server) as connection:
        got = await connection.ask(POST, patience())
    assert got.header(b"retry-after") == "7"
    assert got.header(b"x-late") is None


async def test_a_long_body_is_cut_and_the_connection_kept(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", b"x" * 300_000))
    async with connection_to(server) as connection:
        for _ in range(2):
            got = await connection.ask(POST, patience())
            assert (got.body, got.truncated) == (b"x" * 16 * 1024, True)
            assert connection.reusable


async def test_a_body_that_just_fits_is_whole(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"01234", b"56789"))
    async with connection_to(server, Keep(body=10)) as connection:
        assert (await connection.ask(POST, patience()))[2:] == (b"0123456789", False)


async def test_an_endless_body_ends_with_the_connection(serve: Serve) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with connection_to(await serve(talk)) as connection:
        got = await connection.ask(POST, patience())
        assert (got.status, got.body, got.truncated) == (200, b"x" * 16 * 1024, True)
        assert not connection.reusable
    assert sent < 32 * 1024 * 1024


@pytest.mark.parametrize(
    "piece",
    [b"x" * 1000, b"X-Header: 1\r\n", b"A: b\r\n\r\nHTTP/1.1 100 Continue\r\n"],
    ids=["one", "many", "promises"],
)
async def test_endless_headers_are_an_error(serve: Serve, piece: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\nX-Long: ")
        while True:
            writer.write(piece)
            await writer.drain()

    async with connection_to(await serve(talk)) as connection:
        with pytest.raises(httpx.RemoteProtocolError, match="headers take more than 65536 bytes"):
            await connection.ask(POST, patience())


async def test_what_nobody_asked_for_ends_the_connection(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    server = await serve(talk)
    async with connection_to(server) as connection:
        await server.all_closed()
        assert not connection.reusable


async def test_one_closed_before_it_was_used_gives_no_answer_at_once(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    async with connection_to(await serve(talk)) as connection:
        async with asyncio.timeout(1):
            while connection.reusable:
                await asyncio.sleep(0.001)
            with pytest.raises(NoAnswer):
                await connection.ask(POST, patience())


async def test_an_early_answer_ends_the_connection(serve: Serve) -> None:
    """The rest of the request, unsent, would be read as the beginning of the next one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.2)

    async with connection_to(await serve(talk)) as connection:
        body = b"x" * 30_000_000
        got = await connection.ask(b"POST / HTTP/1.1\r\nContent-Length: 30000000\r\n\r\n" + body, patience())
        assert got.status == 413
        assert not connection.reusable


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_silence_ends_in_a_read_timeout(serve: Serve) -> None:
    async with connection_to(await serve(silent)) as connection:
        start = time.monotonic()
        with pytest.raises(httpx.ReadTimeout, match=r"sent nothing for 0\.05 s"):
            await connection.ask(POST, patience(read=0.05))
        assert 0.04 < time.monotonic() - start < 1
        assert not connection.reusable


async def test_a_trickle_holds_off_the_read_timeout_but_not_the_end(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with connection_to(await serve(talk)) as connection:
        with pytest.raises(httpx.ReadTimeout, match=r"no complete answer within 0\.3 s"):
            await connection.ask(POST, patience(read=0.15, total=0.3))


async def test_a_target_that_does_not_read_ends_in_a_write_timeout(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)

    async with connection_to(await serve(talk)) as connection:
        with pytest.raises(httpx.WriteTimeout):
            await connection.ask(b"POST / HTTP/1.1\r\n\r\n" + b"x" * 30_000_000, patience(read=1, write=0.1))


@pytest.mark.parametrize(("read", "write"), [(2, 0.3), (0.5, 20)], ids=["while it reads", "and then for its answer"])
async def test_a_target_that_reads_slowly_is_waited_for(serve: Serve, read: float, write: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(10):
            await reader.readexactly(2_000_000)
            await asyncio.sleep(0.08)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with connection_to(await serve(talk)) as connection:
        request = b"POST / HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000
        assert (await connection.ask(request, patience(read=read, write=write, total=30))).status == 200


async def test_the_read_timeout_begins_when_the_request_is_sent(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(2_000_000):
            await asyncio.sleep(0.001)

    async with connection_to(await serve(talk)) as connection:
        request = b"POST / HTTP/1.1\r\n\r\n" + b"x" * 15_000_000
        start = time.monotonic()
        with pytest.raises(httpx.ReadTimeout, match="sent nothing"):
            await connection.ask(request, patience(read=0.05, write=20, total=30))
        assert time.monotonic() - start < 10


async def test_a_deadline_in_the_past_is_a_timeout_at_once(serve: Serve) -> None:
    async with connection_to(await serve(silent)) as connection:
        with pytest.raises(httpx.ReadTimeout):
            await connection.ask(POST, patience(total=-1))


async def test_a_cancelled_exchange_leaves_no_reusable_connection(serve: Serve) -> None:
    async with connection_to(await serve(silent)) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await connection.ask(POST, patience())
        assert not connection.reusable
