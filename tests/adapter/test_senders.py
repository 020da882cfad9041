"""One delivery to one target: what is sent, and what comes of each answer and each failure."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import cloudevents.http
import msgspec
import pytest
from tests.adapter.conftest import Serve, Talk, read_request

from ossfn.adapter.delivery import Accepted, Attempt, Delivery, Failed, Gone, Outcome, Refused
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.senders import Endpoint, HttpSender
from ossfn.adapter.senders.http_sender import USER_AGENT
from ossfn.adapter.transport import KeepAliveTransport

NOW = 1_795_000_000.0
TLS = ssl.create_default_context()
RECORD = {
    "eventName": "ObjectCreated:Put",
    "s3": {"bucket": {"name": "photos"}, "object": {"key": "2026/%E7%8C%AB.jpg"}},
}
EVENT = ObjectEvent(
    name="s3:ObjectCreated:Put",
    bucket="photos",
    key="2026/猫.jpg",
    time="2026-11-22T15:57:26.221Z",
    dialect="aws",
    event_source="aws:s3",
    region="cn-north-1",
    record=msgspec.Raw(json.dumps(RECORD).encode()),
)
DELIVERY = Delivery("d-1", "e-1", EVENT, "callback:x", "thumbs", 7, "structured", attempt=3, accepted_at=NOW, receipt=1)


@asynccontextmanager
async def sender() -> AsyncIterator[HttpSender]:
    async with KeepAliveTransport(allowed=[ip_network("127.0.0.0/8")], ssl_context=TLS) as transport:
        yield HttpSender(transport, clock=lambda: NOW)


async def sent(url: str, delivery: Delivery = DELIVERY, *, timeout_seconds: float = 5) -> tuple[Outcome, Attempt]:
    async with sender() as one:
        return await one.send(delivery, Endpoint(url, timeout_seconds=timeout_seconds))


def answering(answer: bytes, requests: list[tuple[bytes, bytes]] | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            if requests is not None:
                requests.append(request)
            writer.write(answer)

    return talk


def fields(head: bytes) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in (line.split(": ", 1) for line in head.decode("ascii").split("\r\n")[1:] if line)
    }


OK = b"HTTP/1.1 204 No Content\r\n\r\n"


async def test_what_a_target_reads_is_a_cloudevent_with_the_delivery_in_its_headers(serve: Serve) -> None:
    requests: list[tuple[bytes, bytes]] = []
    server = await serve(answering(OK, requests))
    outcome, attempt = await sent(f"{server.url}/hook?for=photos")
    assert outcome == Accepted()
    assert attempt == Attempt(3, NOW, attempt.seconds, 204, reason="", answer=b"")
    assert 0 < attempt.seconds < 5
    head, body = requests[0]
    assert head.startswith(b"POST /hook?for=photos HTTP/1.1\r\n")
    headers = fields(head)
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["user-agent"] == USER_AGENT.decode()
    assert headers["webhook-id"] == headers["ossfn-delivery"] == "d-1"
    assert headers["ossfn-attempt"] == "3"
    assert headers["content-length"] == str(len(body))
    event = cloudevents.http.from_http(headers, body)
    assert (event["subject"], event["type"], event["ossrule"]) == (
        "2026/猫.jpg",
        "com.amazonaws.s3.ObjectCreated:Put",
        "thumbs",
    )
    assert event.data == RECORD


async def test_the_delivery_id_is_the_same_at_each_attempt(serve: Serve) -> None:
    requests: list[tuple[bytes, bytes]] = []
    server = await serve(answering(OK, requests))
    for number in (1, 2):
        await sent(server.url, Delivery("d-1", "e-1", EVENT, "callback:x", "thumbs", 7, "binary", number, NOW, 1))
    first, second = (fields(head) for head, _ in requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["ce-id"] == second["ce-id"]
    assert (first["ossfn-attempt"], second["ossfn-attempt"]) == ("1", "2")


async def test_an_endpoint_has_headers_of_its_own(serve: Serve) -> None:
    requests: list[tuple[bytes, bytes]] = []
    server = await serve(answering(OK, requests))
    async with sender() as one:
        await one.send(DELIVERY, Endpoint(server.url, headers=(("Authorization", "Bearer secret"),)))
    assert fields(requests[0][0])["authorization"] == "Bearer secret"


async def test_a_function_listens_at_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    requests: list[tuple[bytes, bytes]] = []
    path = tmp_path / "f.sock"
    await serve(answering(OK, requests), path=path)
    async with sender() as one:
        outcome, _ = await one.send(DELIVERY, Endpoint(f"unix:{path}", guarded=False))
    assert outcome == Accepted()
    assert requests[0][0].startswith(b"POST / HTTP/1.1\r\nHost: localhost\r\n")


async def test_a_failure_keeps_the_beginning_of_the_answer_and_its_retry_after(serve: Serve) -> None:
    answer = b"HTTP/1.1 503 No\r\nRetry-After: 120\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000
    server = await serve(answering(answer))
    reason = "503 Service Unavailable: the target is not available at the moment"
    outcome, attempt = await sent(server.url)
    assert outcome == Failed(reason, retry_after=120)
    assert (attempt.status, attempt.reason, attempt.answer) == (503, reason, b"x" * 16 * 1024)


async def test_a_success_keeps_nothing_of_the_answer(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"))
    assert (await sent(server.url))[1].answer == b""


@pytest.mark.parametrize(
    ("status", "kind"), [(302, Refused), (404, Refused), (410, Gone), (429, Failed), (500, Failed)]
)
async def test_statuses_become_outcomes(serve: Serve, status: int, kind: type[Outcome]) -> None:
    server = await serve(answering(b"HTTP/1.1 %d X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n" % status))
    outcome, attempt = await sent(server.url)
    assert type(outcome) is kind
    assert attempt.status == status
    assert server.connections == 1


async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def test_no_answer_is_a_failure(serve: Serve) -> None:
    server = await serve(close_at_once)
    outcome, attempt = await sent(server.url)
    assert outcome == Failed("the target closed the connection without an answer")
    assert (attempt.status, attempt.answer) == (None, b"")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_target_that_takes_too_long_is_a_failure_in_time(serve: Serve) -> None:
    server = await serve(silent)
    start = time.monotonic()
    outcome, attempt = await sent(server.url, timeout_seconds=0.1)
    assert outcome == Failed("no complete answer within 0.1 s")
    assert 0.09 < attempt.seconds <= time.monotonic() - start < 1
    assert attempt.started_at == NOW


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "cannot connect to http://127.0.0.1:1: Connection refused"),
        ("http://nowhere.invalid/", "cannot find nowhere.invalid: [Errno -2] Name or service not known"),
    ],
)
async def test_what_cannot_be_reached_is_a_failure(url: str, reason: str) -> None:
    outcome, attempt = await sent(url)
    assert outcome == Failed(reason)
    assert attempt == Attempt(3, NOW, attempt.seconds, None, reason)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://169.254.169.254/latest/meta-data", "blocked by policy: 169.254.169.254 is a link-local address"),
        ("http://[::1]:80/", "blocked by policy: ::1 is a loopback address"),
        ("unix:/run/docker.sock", "no complete http:// or https:// address"),
        ("ftp://example.com/", "no complete http:// or https:// address"),
        ("http://exa mple.com:x/", "is not a URL"),
    ],
)
async def test_what_a_callback_may_not_reach_is_refused_for_good(url: str, words: str) -> None:
    outcome, attempt = await sent(url)
    assert isinstance(outcome, Refused)
    assert words in outcome.reason == attempt.reason
    assert attempt.status is None


async def test_headers_with_line_breaks_are_refused_and_not_told() -> None:
    async with sender() as one:
        outcome, _ = await one.send(DELIVERY, Endpoint("http://127.0.0.1:1/", headers=(("X-Key", "secret\r\nX: 1"),)))
    assert outcome == Refused("cannot be sent: a header holds a line break")


async def test_a_cancellation_passes_through(serve: Serve) -> None:
    server = await serve(silent)
    async with sender() as one:
        task = asyncio.create_task(one.send(DELIVERY, Endpoint(server.url)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_closed()


async def test_a_tls_failure_is_retried_since_certificates_get_renewed(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.com ESMTP\r\n")
        await reader.read()

    server = await serve(talk)
    outcome, _ = await sent(f"https://127.0.0.1:{server.port}/")
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith(f"TLS with https://127.0.0.1:{server.port} failed: ")
