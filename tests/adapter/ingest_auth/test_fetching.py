"""What is fetched for a sender, over real connections."""

import asyncio
from ipaddress import ip_network

import pytest
from tests.adapter.conftest import Serve, Talk, read_request

from ossfn.adapter.transport import KeepAliveTransport
from ossfn.adapter.web.ingest_auth.fetching import CannotFetch, fetch_through, origin_of


def answering(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        assert head.startswith(b"GET /c.pem?v=1 HTTP/1.1\r\nHost: 127.0.0.1:")
        writer.write(answer)

    return talk


async def fetched(url: str, *allowed: str) -> bytes:
    async with KeepAliveTransport(allowed=[ip_network(network) for network in allowed]) as transport:
        return await fetch_through(transport)(url)


async def test_a_body_is_fetched(serve: Serve) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nPEM"))
    assert await fetched(f"{server.url}/c.pem?v=1", "127.0.0.1/32") == b"PEM"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000,
        b"220 smtp.example.com ESMTP\r\n",
        b"",
    ],
    ids=["missing", "redirect", "large", "no-http", "nothing"],
)
async def test_anything_but_a_whole_answer_is_a_failure(serve: Serve, answer: bytes) -> None:
    server = await serve(answering(answer))
    with pytest.raises(CannotFetch):
        await fetched(f"{server.url}/c.pem?v=1", "127.0.0.1/32")
    assert server.connections == 1


async def test_an_internal_address_is_never_reached(serve: Serve) -> None:
    server = await serve(answering(b""))
    with pytest.raises(CannotFetch, match="blocked by policy"):
        await fetched(f"{server.url}/c.pem?v=1")
    assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://X.example/a?b", "https://x.example"),
        ("https://x.example:443", "https://x.example"),
        ("http://x.example:8080/", "http://x.example:8080"),
        ("https://good.example@evil.example/", "https://evil.example"),
        ("https://[::1]:1/", "https://[::1]:1"),
    ],
)
def test_origins_compare(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["https://x.example:port/", "https://x.example/" + "x" * 2048])
def test_what_is_no_url_to_visit_has_no_origin(url: str) -> None:
    with pytest.raises(CannotFetch) as caught:
        origin_of(url)
    assert len(str(caught.value)) < 100
