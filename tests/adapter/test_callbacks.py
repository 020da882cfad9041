"""How callbacks are called: what an operator wrote for their URL, and for no other."""

import asyncio
import json
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook
from tests.adapter.conftest import Certificates, Serve, openssl, read_request, serving_as
from tests.adapter.test_senders import DELIVERY, OK, answering, fields

from ossfn.adapter.delivery import Accepted, Delivery, Failed
from ossfn.adapter.senders import Callbacks, HttpSender
from ossfn.adapter.senders.callbacks import matches
from ossfn.adapter.settings import CallbackSettings, Settings
from ossfn.adapter.transport import KeepAliveTransport

SECRET, NEW_SECRET = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))


def callbacks(**patterns: Any) -> Callbacks:
    """By pattern, what stands in its table of ossfn.toml."""
    settings = {pattern: CallbackSettings.model_validate(table) for pattern, table in patterns.items()}
    return Callbacks(settings, origin="events.example.com", timeout_seconds=5)


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    """Sends to loopback, by the real clock."""
    async with KeepAliveTransport(allowed=[ip_network("127.0.0.0/8")]) as transport:
        yield HttpSender(transport)


@pytest.mark.parametrize("format_", ["structured", "binary", "s3-notification", "jd-notification"])
async def test_a_receiver_verifies_each_format_with_the_package(serve: Serve, sender: HttpSender, format_: str) -> None:
    requests: list[tuple[bytes, bytes]] = []
    server = await serve(answering(OK, requests))
    endpoint = callbacks(**{f"{server.url}/*": {"secrets": [NEW_SECRET, SECRET]}}).endpoint(f"{server.url}/hook")
    delivery = Delivery("d-1", "e-1", DELIVERY.event, "callback:x", "thumbs", 7, format_, 1, time.time(), receipt=1)
    assert (await sender.send(delivery, endpoint))[0] == Accepted()
    head, body = requests[0]
    for secret in (SECRET, NEW_SECRET):
        assert Webhook(secret).verify(body, fields(head)) == json.loads(body)
    assert fields(head)["webhook-id"] == "d-1"
    assert fields(head)["webhook-request-origin"] == "events.example.com"


async def test_headers_and_secrets_go_to_the_callbacks_they_are_for_only(serve: Serve, sender: HttpSender) -> None:
    requests: list[tuple[bytes, bytes]] = []
    server = await serve(answering(OK, requests))
    ours = callbacks(**{f"{server.url}/ours/*": {"secrets": [SECRET], "headers": {"Authorization": "Bearer b"}}})
    for path in ("/ours/hook", "/theirs/ours/"):
        await sender.send(DELIVERY, ours.endpoint(server.url + path))
    (first, _), (second, _) = requests
    assert fields(first)["authorization"] == "Bearer b"
    assert not {"authorization", "webhook-signature", "webhook-timestamp"} & set(fields(second))
    assert fields(second)["webhook-request-origin"] == "events.example.com"


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
    [
        ("*", "https://anything.example/", True),
        ("https://x.example/*", "https://x.example/a/b?c", True),
        ("https://x.example/*", "https://x.example", True),
        ("https://x.example/*", "https://X.example:443/a", True),
        ("https://x.example:443/*", "https://x.example/a", True),
        ("https://x.example/a/*", "https://x.example/a/", True),
        ("https://x.example/hook", "https://x.example/hook", True),
        ("https://bücher.example/*", "https://xn--bcher-kva.example/ü", True),
        ("https://x.example/hook", "https://x.example/hook2", False),
        ("https://x.example/a/*", "https://x.example/a/../b", False),
        ("https://x.example/*", "http://x.example/", False),
        ("https://x.example/*", "https://x.example:8443/", False),
        ("https://x.example/*", "https://x.example.evil.example/", False),
        ("https://x.example/*", "https://x.example@evil.example/", False),
        ("https://x.example/*", "https://evil.example/https://x.example/", False),
        ("https://x.example/*", "no url at all://", False),
    ],
)
def test_a_pattern_matches_no_host_but_its_own(pattern: str, url: str, expected: bool) -> None:
    assert matches(pattern, url) is expected


def test_the_longest_pattern_counts_alone() -> None:
    ours = callbacks(
        **{
            "*": {"headers": {"X-A": "a"}, "timeout_seconds": 1},
            "https://x.example/slow/*": {"timeout_seconds": 60, "connect_seconds": 2, "read_seconds": 20},
            "https://x.example/*": {"headers": {"X-B": "b"}},
        }
    )
    slow = ours.endpoint("https://x.example/slow/1")
    assert (slow.timeout_seconds, slow.connect_seconds, slow.read_seconds) == (60, 2, 20)
    assert [name for name, _ in slow.headers] == ["WebHook-Request-Origin"]
    assert [name for name, _ in ours.endpoint("https://x.example/1").headers] == ["WebHook-Request-Origin", "X-B"]
    assert ours.endpoint("https://x.example/1").timeout_seconds == 5
    assert ours.endpoint("https://y.example/").timeout_seconds == 1
    assert all(ours.endpoint(url).guarded for url in ("https://x.example/", "https://y.example/"))


async def test_a_receiver_that_falls_silent_is_left_before_the_whole_time_is_over(
    serve: Serve, sender: HttpSender
) -> None:
    async def halting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read()

    server = await serve(halting)
    endpoint = callbacks(**{"*": {"read_seconds": 0.1}}).endpoint(server.url)
    assert (await sender.send(DELIVERY, endpoint))[0] == Failed("the target sent nothing for 0.1 s")


@pytest.mark.slow
async def test_an_authority_of_the_operators_own_and_a_client_certificate(
    serve: Serve, sender: HttpSender, authority: Path, certificates: Certificates
) -> None:
    requests: list[tuple[bytes, bytes]] = []
    wanting = serving_as(certificates("127.0.0.1"))
    wanting.verify_mode = ssl.CERT_REQUIRED
    wanting.load_verify_locations(authority / "ca.pem")
    server = await serve(answering(OK, requests), tls=wanting)
    url = f"https://127.0.0.1:{server.port}/hook"
    certificate, key = certificates("sender.example")
    table = {"ca_file": authority / "ca.pem", "client_certificate": certificate, "client_key": key}
    assert (await sender.send(DELIVERY, callbacks(**{"*": table}).endpoint(url)))[0] == Accepted()
    for lacking in ({}, {"ca_file": authority / "ca.pem"}):
        outcome, _ = await sender.send(DELIVERY, callbacks(**{"*": lacking}).endpoint(url))
        assert isinstance(outcome, Failed)
    assert len(requests) == 1


@pytest.mark.slow
def test_a_key_that_needs_a_password_is_refused_without_asking_for_it(
    authority: Path, certificates: Certificates
) -> None:
    certificate, key = certificates("locked.example")
    openssl(authority, "ec", "-aes256", "-passout", "pass:secret", "-in", str(key), "-out", "locked.key")
    with pytest.raises(ValidationError, match="cannot be used"):
        CallbackSettings.model_validate({"client_certificate": certificate, "client_key": authority / "locked.key"})


@pytest.mark.parametrize(
    ("pattern", "table", "words"),
    [
        ("https://x.example", {}, "name callbacks as"),
        ("https://x.example*", {}, "name callbacks as"),
        ("https://*.example/", {}, "name callbacks as"),
        ("https://me@x.example/*", {}, "name callbacks as"),
        ("ftp://x.example/*", {}, "name callbacks as"),
        ("http://x.example:80hook/*", {}, "is no URL"),
        ("*", {"secrets": ["topsecret"]}, "a webhook secret is"),
        ("*", {"headers": {"X-Key": "topsecret\r\nX-Other: 1"}}, "no HTTP header"),
        ("*", {"headers": {"X-Key": "topsecret\n"}}, "no HTTP header"),
        ("*", {"headers": {"X-Key": ""}}, "no HTTP header"),
        ("*", {"headers": {"X Key": "topsecret"}}, "no HTTP header"),
        ("*", {"headers": {"HOST": "topsecret"}}, "set by ossfn itself"),
        ("*", {"headers": {"Content-Length": "0"}}, "set by ossfn itself"),
        ("*", {"headers": {"transfer-encoding": "chunked"}}, "set by ossfn itself"),
        ("*", {"headers": {"Webhook-Id": "1"}}, "set by ossfn itself"),
        ("*", {"headers": {"ce-id": "1"}}, "set by ossfn itself"),
        ("*", {"ca_file": __file__}, "cannot be used"),
        ("*", {"ca_file": "/no/such/file"}, "does not point to a file"),
        ("*", {"topsecret": 1}, "Extra inputs"),
        ("*", {"timeout_seconds": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_secrets_not_repeated(
    pattern: str, table: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate({"callbacks": {pattern: table}})
    assert "input_value" not in str(caught.value)


def test_nothing_that_is_printed_shows_a_secret() -> None:
    table = {"secrets": [SECRET], "headers": {"Authorization": "Bearer topsecret"}}
    settings = Settings.model_validate({"callbacks": {"*": table}})
    assert settings.callbacks["*"].secrets == (SecretStr(SECRET),)
    endpoint = callbacks(**{"*": table}).endpoint("https://x.example/")
    for printed in (repr(settings), str(settings.model_dump()), repr(endpoint), settings.model_dump_json()):
        assert "topsecret" not in printed
        assert SECRET not in printed
