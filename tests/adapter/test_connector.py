"""Where connections go, and where those of callbacks must not."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapter.conftest import Certificates, Serve, serving_as, trusting

from ossfn.adapter.connection import Connection, Keep
from ossfn.adapter.connector import AddressRefused, Connector, Origin, Resolver, resolve
from ossfn.trigger_registry.limits import DEFAULT_LIMITS
from ossfn.trigger_registry.target_checks import callback_faults

LOOPBACK = ip_network("127.0.0.0/8")
SECOND = "127.0.0.2"


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def answering(*answers: Sequence[str]) -> Resolver:
    """A resolver that gives these answers one after the other, whatever it is asked."""
    left = iter(answers)

    async def answer(host: str, port: int) -> Sequence[str]:
        return next(left)

    return answer


def connector(*, allowed: str = "", resolver: Resolver = resolve, tls: ssl.SSLContext | None = None) -> Connector:
    networks = [ip_network(allowed)] if allowed else []
    return Connector(networks, tls or ssl.create_default_context(), resolver, Keep())


@contextlib.asynccontextmanager
async def connected(opener: Connector, origin: Origin, seconds: float = 2) -> AsyncIterator[Connection]:
    connection = await opener.connect(origin, seconds)
    yield connection
    connection.close()


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """The port of a listener whose queue is full, so that connecting to it takes for ever."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((SECOND, 0), backlog=0))
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "localhost", "2130706433", "127.1", "0x7f.1", "0177.0.0.1", "::ffff:127.0.0.1"],
)
async def test_every_spelling_of_loopback_is_refused_and_never_reached(serve: Serve, host: str) -> None:
    server = await serve(silent)
    with pytest.raises(AddressRefused, match=r"blocked by policy: .*callback_allow"):
        await connector().connect(Origin("http", host, server.port, guarded=True), 2)
    assert server.connections == 0


async def test_loopback_with_a_final_dot_is_never_reached(serve: Serve) -> None:
    """Some systems find `localhost.`, some do not."""
    server = await serve(silent)
    with pytest.raises(httpx.ConnectError):
        await connector().connect(Origin("http", "localhost.", server.port), 2)
    assert server.connections == 0


async def test_allowed_and_unguarded_addresses_are_reached(serve: Serve) -> None:
    server = await serve(silent)
    for opener, guarded in ((connector(), False), (connector(allowed="127.0.0.0/8"), True)):
        async with connected(opener, Origin("http", "127.0.0.1", server.port, guarded)) as connection:
            assert connection.reusable
    assert server.connections == 2


async def test_a_name_that_changes_its_address_is_judged_by_the_address_connected_to(serve: Serve) -> None:
    forbidden = await serve(silent)
    opener = connector(allowed=f"{SECOND}/32", resolver=answering([SECOND], ["127.0.0.1"], [SECOND]))
    allowed = await serve(silent, host=SECOND, port=forbidden.port)
    origin = Origin("http", "rebinding.example", forbidden.port)
    async with connected(opener, origin):
        pass
    with pytest.raises(AddressRefused):
        await opener.connect(origin, 2)
    async with connected(opener, origin):
        pass
    assert (forbidden.connections, allowed.connections) == (0, 2)


async def test_of_several_addresses_only_those_that_pass_are_tried(serve: Serve) -> None:
    server = await serve(silent)
    opener = connector(allowed="127.0.0.1/32", resolver=answering(["10.0.0.1", "::1", "127.0.0.1"]))
    async with connected(opener, Origin("http", "mixed.example", server.port)):
        assert server.connections == 1


async def test_the_next_address_is_tried_when_one_refuses_or_is_dead(serve: Serve) -> None:
    server = await serve(silent)
    opener = connector(resolver=answering(["127.0.0.3", "127.0.0.1"]))
    async with connected(opener, Origin("http", "half.example", server.port, guarded=False)):
        assert server.connections == 1


async def test_a_dead_address_leaves_time_for_the_next(serve: Serve) -> None:
    with unanswering() as port:
        await serve(silent, port=port)
        opener = connector(resolver=answering([SECOND, "127.0.0.1"]))
        start = time.monotonic()
        async with connected(opener, Origin("http", "half.example", port, guarded=False), seconds=0.4):
            assert 0.15 < time.monotonic() - start < 0.39


async def test_connecting_ends_in_time() -> None:
    with unanswering() as port, pytest.raises(httpx.ConnectTimeout) as caught:
        await connector().connect(Origin("http", SECOND, port, guarded=False), 0.05)
    assert str(caught.value) == f"no connection to http://{SECOND}:{port} within 0.05 s"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("nowhere.invalid", "cannot find nowhere.invalid"),
        ("x" * 64 + ".example", "cannot find x"),
        ("a..example", "cannot find a"),
        ("127.0.0.3", "cannot connect to http://127.0.0.3:1: Connection refused"),
    ],
)
async def test_what_cannot_be_reached_is_a_connect_error(host: str, words: str) -> None:
    with pytest.raises(httpx.ConnectError, match=words) as caught:
        await connector().connect(Origin("http", host, 1, guarded=False), 5)
    assert not isinstance(caught.value, AddressRefused)


async def test_a_name_without_addresses_is_a_connect_error() -> None:
    with pytest.raises(httpx.ConnectError, match="it has no address"):
        await connector(resolver=answering([])).connect(Origin("http", "empty.example", 80), 1)


async def test_one_slow_name_is_looked_up_once_at_a_time() -> None:
    asked: list[str] = []

    async def slow(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        await asyncio.sleep(0.1)
        raise OSError("no name server answers")

    opener = connector(resolver=slow)
    origin = Origin("http", "slow.example", 80)
    first = [opener.connect(origin, seconds) for seconds in (0.01, 0.02, 5, 5)]
    errors = await asyncio.gather(*first, return_exceptions=True)
    kinds = [httpx.ConnectTimeout, httpx.ConnectTimeout, httpx.ConnectError, httpx.ConnectError]
    assert [type(error) for error in errors] == kinds
    assert asked == ["slow.example"]
    with pytest.raises(httpx.ConnectError):
        await opener.connect(origin, 5)
    assert asked == ["slow.example"] * 2


async def test_a_unix_socket_is_reached_and_a_missing_one_named(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "f.sock"
    await serve(silent, path=path)
    async with connected(connector(), Origin("unix", str(path))) as connection:
        assert connection.reusable
    with pytest.raises(httpx.ConnectError, match=r"cannot connect to unix:/no/such\.sock: No such file or directory"):
        await connector().connect(Origin("unix", "/no/such.sock"), 2)


@pytest.mark.parametrize(
    ("url", "origin", "text"),
    [
        ("http://Example.com", Origin("http", "example.com", 80), "http://example.com:80"),
        ("https://example.com/a?b", Origin("https", "example.com", 443), "https://example.com:443"),
        ("https://[::1]:8443/", Origin("https", "::1", 8443), "https://[::1]:8443"),
        ("http://bücher.example", Origin("http", "xn--bcher-kva.example", 80), "http://xn--bcher-kva.example:80"),
    ],
)
def test_origins_of_urls(url: str, origin: Origin, text: str) -> None:
    assert Origin.of(httpx.URL(url), guarded=True) == origin
    assert str(origin) == text


@pytest.mark.parametrize("url", ["ftp://example.com", "unix:/run/f.sock", "/path", "http:///path", "example.com"])
def test_what_is_no_http_address_has_no_origin(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol, match="no complete http"):
        Origin.of(httpx.URL(url), guarded=True)


@pytest.mark.slow
async def test_tls_is_verified_against_the_name_though_an_address_is_connected_to(
    serve: Serve, authority: Path, certificates: Certificates
) -> None:
    server = await serve(silent, tls=serving_as(certificates("hooks.example")))
    opener = connector(resolver=answering(*[["127.0.0.1"]] * 3), tls=trusting(authority))
    for host in ("hooks.example", "hooks.example."):
        async with connected(opener, Origin("https", host, server.port, guarded=False)) as connection:
            assert connection.reusable
    with pytest.raises(httpx.ConnectError, match=r"TLS with .* failed: .*Hostname mismatch"):
        await opener.connect(Origin("https", "other.example", server.port, guarded=False), 2)


@pytest.mark.slow
async def test_a_certificate_that_nobody_trusted_signed_is_refused(serve: Serve, certificates: Certificates) -> None:
    server = await serve(silent, tls=serving_as(certificates("127.0.0.1")))
    with pytest.raises(httpx.ConnectError, match=r"TLS with .* failed: .*certificate verify failed"):
        await connector().connect(Origin("https", "127.0.0.1", server.port, guarded=False), 2)


@pytest.mark.slow
async def test_a_client_certificate_is_shown(serve: Serve, authority: Path, certificates: Certificates) -> None:
    shown = []

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("peercert")["subjectAltName"])

    wanting = serving_as(certificates("127.0.0.1"))
    wanting.verify_mode = ssl.CERT_REQUIRED
    wanting.load_verify_locations(authority / "ca.pem")
    ours = trusting(authority)
    ours.load_cert_chain(*certificates("sender.example"))
    server = await serve(look, tls=wanting)
    async with connected(connector(tls=ours), Origin("https", "127.0.0.1", server.port, guarded=False)) as connection:
        async with asyncio.timeout(2):
            while connection.reusable:
                await asyncio.sleep(0.001)
    assert shown == [(("DNS", "sender.example"),)]


@pytest.mark.slow
async def test_tls_with_a_server_that_speaks_none_is_a_connect_error(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await serve(talk)
    with pytest.raises(httpx.ConnectError):
        await connector().connect(Origin("https", "127.0.0.1", server.port, guarded=False), 2)


async def test_names_whose_server_is_silent_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real, silent = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        if host.endswith(".silent"):
            silent.wait(10)
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    waiting = [asyncio.ensure_future(resolve(f"n{n}.silent", 80)) for n in range(40)]
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        assert await resolve("quick.example", 80) == ["127.0.0.1"]
    silent.set()
    assert await asyncio.gather(*waiting) == [["127.0.0.1"]] * 40


LABELS = st.one_of(
    st.text(max_size=8), st.integers(0, 300).map(str), st.sampled_from(["xn--", "xn--fsqu00a", "a" * 64, "①②⑦", "☃"])
)


@settings(deadline=None)  # the first look into IDNA's tables takes long on a busy machine
@given(st.lists(LABELS, min_size=1, max_size=5), st.sampled_from(["", ":", ":0", ":80", ":99999"]), st.text(max_size=5))
def test_whatever_is_registered_as_a_callback_can_be_looked_up(labels: list[str], port: str, path: str) -> None:
    url = f"http://{'.'.join(labels)}{port}/{path}"
    if list(callback_faults([url], DEFAULT_LIMITS, "urls")):
        return
    origin = Origin.of(httpx.URL(url), guarded=True)
    assert origin.host.encode("idna")
    assert origin.port in (80, int(port.removeprefix(":") or 80))


def test_a_name_that_cannot_be_decoded_is_an_origin_all_the_same() -> None:
    assert Origin.of(httpx.URL("http://xn--a.com/"), guarded=True).host == "xn--a.com"
