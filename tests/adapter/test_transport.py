"""The pool behind httpx's transport interface, against raw servers and the servers that functions run under."""

import asyncio
import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from tests.adapter.conftest import RawServer, Serve, Talk, read_request

from ossfn.adapter.connection import Answer, Keep, NoAnswer
from ossfn.adapter.connector import AddressRefused, Origin
from ossfn.adapter.transport import KeepAliveTransport, Timeouts, request_bytes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPBACK = [ip_network("127.0.0.0/8")]
TLS = ssl.create_default_context()
POST = request_bytes("POST", b"/f", [(b"Host", b"x"), (b"Content-Length", b"2")], b"hi")


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The two loops differ in how they close, cut and time out."""
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def opened(
    *, connections: int = 128, idle_seconds: float = 15.0, keep: Keep | None = None
) -> AsyncIterator[KeepAliveTransport]:
    transport = KeepAliveTransport(
        allowed=LOOPBACK, ssl_context=TLS, connections_per_origin=connections, idle_seconds=idle_seconds, keep=keep
    )
    async with transport:
        yield transport


async def post(transport: KeepAliveTransport, server: RawServer, timeouts: Timeouts = Timeouts(total=5)) -> Answer:  # noqa: B008
    return await transport.exchange(Origin("http", "127.0.0.1", server.port), POST, timeouts)


def answering(answer: bytes = OK, *, after: float = 0) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            await asyncio.sleep(after)
            writer.write(answer)
            if b"close" in answer:
                return

    return talk


async def test_it_is_a_transport_of_httpx(serve: Serve) -> None:
    requests = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            requests.append(await read_request(reader))
            writer.write(b"HTTP/1.1 201 Created\r\nX-Id: 7\r\nContent-Length: 2\r\n\r\nok")

    server = await serve(talk)
    async with opened() as transport, httpx.AsyncClient(transport=transport, base_url=server.url) as client:
        answer = await client.post("/a b?c=d", content=b"body", headers={"x-one": "1"})
        assert (answer.status_code, answer.text, answer.headers["x-id"]) == (201, "ok", "7")
        assert answer.extensions["truncated"] is False
    head, body = requests[0]
    assert head.startswith(b"POST /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"x-one: 1\r\n" in head
    assert body == b"body"


async def test_a_body_made_on_the_way_is_sent_whole(serve: Serve) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    bodies = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await read_request(reader))
        writer.write(OK)

    server = await serve(talk)
    async with opened() as transport, httpx.AsyncClient(transport=transport) as client:
        await client.post(server.url, content=pieces())
    assert bodies[0][1] == b"onetwo"
    assert b"chunked" not in bodies[0][0]


async def test_httpx_may_ask_for_other_times_and_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    there = {"unix_socket": tmp_path / "f.sock"}
    await serve(answering(after=0.2), path=there["unix_socket"])
    async with opened() as transport, httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://function/", extensions=there)).text == "ok"
        with pytest.raises(httpx.ReadTimeout):
            await client.get("http://function/", extensions=there, timeout=0.05)
        with pytest.raises(httpx.ReadTimeout):
            await client.get("http://function/", extensions={**there, "timeout": {"total": 0.05}})


async def test_requests_of_httpx_are_guarded_unless_told_otherwise(serve: Serve) -> None:
    server = await serve(answering())
    transport = KeepAliveTransport(ssl_context=TLS)
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(AddressRefused):
            await client.get(server.url)
        assert (await client.get(server.url, extensions={"guarded": False})).text == "ok"
        # The open connection belongs to the unguarded ones.
        with pytest.raises(AddressRefused):
            await client.get(server.url)


async def test_redirects_are_answers(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"))
    async with opened() as transport:
        answer = await post(transport, server)
    assert (answer.status, answer.header(b"location")) == (302, "/other")


@pytest.mark.parametrize("bad", [b"a\r\nX-Smuggled: 1", b"a\nb", b"a\rb", b"a\r\n\r\nPOST / HTTP/1.1"])
def test_no_header_smuggles_in_another(bad: bytes) -> None:
    with pytest.raises(httpx.LocalProtocolError, match="line break"):
        request_bytes("POST", b"/", [(b"Host", b"x"), (b"X-Key", bad)], b"")
    with pytest.raises(httpx.LocalProtocolError, match="line break"):
        request_bytes("POST", b"/", [(bad, b"x")], b"")
    with pytest.raises(httpx.LocalProtocolError, match="line break"):
        request_bytes("POST", b"/" + bad, [(b"Host", b"x")], b"")


async def test_one_connection_serves_many_requests(serve: Serve) -> None:
    server = await serve(answering())
    async with opened() as transport:
        for _ in range(20):
            assert (await post(transport, server)).body == b"ok"
        assert server.connections == 1
    await server.all_closed()


async def test_connections_that_close_are_not_used_again(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
    async with opened() as transport:
        for _ in range(5):
            assert (await post(transport, server)).status == 200
    assert server.connections == 5


async def test_two_hundred_at_once(serve: Serve) -> None:
    server = await serve(answering(after=0.01))
    async with opened(connections=50) as transport:
        answers = await asyncio.gather(*(post(transport, server) for _ in range(200)))
        assert [answer.body for answer in answers] == [b"ok"] * 200
        assert server.connections == server.most_open == 50
    await server.all_closed()


async def test_waiting_for_a_free_connection_ends_in_time(serve: Serve) -> None:
    server = await serve(answering(after=0.3))
    async with opened(connections=1) as transport:
        first = asyncio.create_task(post(transport, server))
        await asyncio.sleep(0.01)
        with pytest.raises(httpx.PoolTimeout, match="none of 1 requests"):
            await post(transport, server, Timeouts(pool=0.05))
        with pytest.raises(httpx.PoolTimeout):
            await post(transport, server, Timeouts(total=0.05))
        assert (await first).status == 200
        assert (await post(transport, server)).status == 200


async def test_one_origin_does_not_wait_for_another(serve: Serve) -> None:
    slow, quick = await serve(answering(after=0.3)), await serve(answering())
    async with opened(connections=1) as transport:
        first = asyncio.create_task(post(transport, slow))
        await asyncio.sleep(0.01)
        assert (await post(transport, quick, Timeouts(total=0.2))).status == 200
        assert not first.done()
        await first


async def test_idle_connections_are_closed(serve: Serve) -> None:
    server = await serve(answering())
    async with opened(idle_seconds=0.1) as transport:
        await asyncio.gather(*(post(transport, server) for _ in range(3)))
        assert server.open == 3
        await server.all_closed()
        assert (await post(transport, server)).status == 200


async def test_origins_that_nobody_uses_are_forgotten(serve: Serve) -> None:
    servers = [await serve(answering()) for _ in range(3)]
    async with opened(idle_seconds=0.05) as transport:
        for server in servers:
            await post(transport, server)
        assert len(transport._pools) == 3
        async with asyncio.timeout(2):
            while transport._pools:
                await asyncio.sleep(0.01)


async def test_one_idle_too_long_is_not_used_though_still_open(serve: Serve) -> None:
    server = await serve(answering())
    async with opened(idle_seconds=0.2) as transport:
        await post(transport, server)
        await asyncio.sleep(0.15)
        await post(transport, server)
        await asyncio.sleep(0.15)
        await post(transport, server)
        assert server.connections == 1


async def test_a_connection_that_the_server_closed_is_not_used(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)

    server = await serve(talk)
    async with opened() as transport:
        for _ in range(3):
            assert (await post(transport, server)).status == 200
            await asyncio.sleep(0.01)
    assert server.connections == 3


class Stale:
    """A server that answers a connection's first request and closes at the second one, without an answer."""

    def __init__(self, *, fresh_answers: int = 1) -> None:
        self.requests = 0
        self.fresh_answers = fresh_answers

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        self.requests += 1
        if self.fresh_answers:
            self.fresh_answers -= 1
            writer.write(OK)
            await read_request(reader)
            self.requests += 1


async def test_a_request_on_a_stale_connection_is_sent_again_on_a_fresh_one(serve: Serve) -> None:
    stale = Stale(fresh_answers=2)
    server = await serve(stale.talk)
    async with opened() as transport:
        assert (await post(transport, server)).status == 200
        assert (await post(transport, server)).status == 200
    assert (stale.requests, server.connections) == (3, 2)


async def test_it_is_sent_again_only_once(serve: Serve) -> None:
    stale = Stale(fresh_answers=1)
    server = await serve(stale.talk)
    async with opened() as transport:
        await post(transport, server)
        with pytest.raises(NoAnswer):
            await post(transport, server)
    assert (stale.requests, server.connections) == (3, 2)


async def test_on_a_fresh_connection_it_is_not_sent_again(serve: Serve) -> None:
    stale = Stale(fresh_answers=0)
    server = await serve(stale.talk)
    async with opened() as transport:
        with pytest.raises(NoAnswer):
            await post(transport, server)
    assert (stale.requests, server.connections) == (1, 1)


async def test_it_is_not_sent_again_once_an_answer_has_begun(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        writer.write(OK[:20])

    server = await serve(talk)
    async with opened() as transport:
        await post(transport, server)
        with pytest.raises(httpx.RemoteProtocolError, match="middle of the answer"):
            await post(transport, server)
    assert server.connections == 1


async def test_an_answer_that_nobody_waits_for_reaches_no_later_request(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    server = await serve(talk)
    async with opened() as transport:
        assert (await post(transport, server)).status == 200
        await asyncio.sleep(0.05)
        assert (await post(transport, server)).status == 200


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_cancellation_leaves_no_connection_and_no_slot_behind(serve: Serve) -> None:
    server = await serve(silent)
    async with opened(connections=5) as transport:
        tasks = [asyncio.create_task(post(transport, server, Timeouts())) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert server.open == 5
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        await server.all_closed()
        server.talk = answering()
        answers = await asyncio.gather(*(post(transport, server) for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5


async def test_time_outs_leave_no_connection_behind(serve: Serve) -> None:
    server = await serve(silent)
    async with opened() as transport:
        with pytest.raises(httpx.ReadTimeout):
            await post(transport, server, Timeouts(total=0.05))
        await server.all_closed()


async def test_closing_it_closes_what_is_idle_and_what_is_in_use_when_its_exchange_ends(serve: Serve) -> None:
    server = await serve(answering(after=0.1))
    async with opened() as transport:
        await post(transport, server)
        busy = [asyncio.create_task(post(transport, server)) for _ in range(2)]
        await asyncio.sleep(0.01)
    assert server.open == 2
    assert [(await task).status for task in busy] == [200, 200]
    await server.all_closed()
    with pytest.raises(RuntimeError, match="closed"):
        await post(transport, server)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextlib.contextmanager
def running(*command: str, path: Path) -> Iterator[None]:
    """A server process that listens at this unix socket."""
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=path.parent, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        # Once it listens, requests wait for it.
        while not listens(path):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


WSGI = """
def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
SERVERS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    # functions-framework with THREADS=1: one request a connection.
    "gunicorn sync": (WSGI, lambda s: ["gunicorn", "-w2", "-k", "sync", "-b", f"unix:{s}", "main:app"]),
    # functions-framework as it comes.
    "gunicorn gthread": (WSGI, lambda s: ["gunicorn", "--threads", "8", "-b", f"unix:{s}", "main:app"]),
    "uvicorn": (ASGI, lambda s: ["uvicorn", "--uds", str(s), "--timeout-keep-alive", "1", "main:app"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
@pytest.mark.parametrize(("code", "command"), SERVERS.values(), ids=SERVERS)
async def test_servers_that_functions_run_under(
    code: str, command: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """All bodies come back, also when the server's keep-alive ends meanwhile (gthread 2 s, uvicorn 1 s here)."""
    (tmp_path / "main.py").write_text(code)
    path = tmp_path / "s"
    origin = Origin("unix", str(path))
    with running(*command(path), path=path):
        async with opened(connections=32, keep=Keep(body=100_000)) as transport:

            async def echo(body: bytes) -> bytes:
                headers = [(b"Host", b"x"), (b"Content-Length", b"%d" % len(body))]
                request = request_bytes("POST", b"/", headers, body)
                return (await transport.exchange(origin, request, Timeouts(total=10))).body

            for wait in (0.0, 0.95, 1.95, 2.05):
                await asyncio.sleep(wait)
                bodies = [b"%d" % n * (1 + n * 200) for n in range(100)]
                assert await asyncio.gather(*map(echo, bodies)) == bodies
