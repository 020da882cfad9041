"""The ingest door over real sockets: who is let in, who is not, and what is counted."""

import asyncio
import itertools
import json
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import ValidationError
from standardwebhooks import Webhook
from starlette.applications import Starlette
from tests.adapter.conftest import RawServer, Serve, read_request
from tests.adapter.ingest_auth.conftest import Issuer, certificate
from tests.adapter.ingest_auth.test_jd import signed as signed_by_jd
from tests.adapter.ingest_auth.test_jd import unsigned, with_headers
from tests.adapter.ingest_auth.test_sns import CONFIRMATION, CONFIRMATION_TEXT, SUBSCRIBE, TOPIC

from ossfn.adapter.backend import EventLog
from ossfn.adapter.backends import backend_for
from ossfn.adapter.backends.memory import MemoryBackend
from ossfn.adapter.ingest import Ingest, Source
from ossfn.adapter.settings import Settings, SourceSettings
from ossfn.adapter.transport import KeepAliveTransport
from ossfn.adapter.web.ingest_api import IngestDoor, Sender
from ossfn.adapter.web.ingest_auth import fetch_through, guard_for
from ossfn.trigger_registry.matching import NOT_REGISTERED

TOKEN = "let-me-in"
SECRET = f"whsec_{b64encode(bytes(32)).decode()}"
NOTIFICATION = json.dumps(
    {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}
).encode()


@asynccontextmanager
async def door(
    log: EventLog, sources: dict[str, dict[str, Any]], refused: Counter[tuple[str, str]] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a door to these sources, whose guards may fetch from loopback."""
    ids = itertools.count()
    ingest = Ingest(log, lambda *_: NOT_REGISTERED, clock=time.time, new_id=lambda: f"{next(ids):032x}")
    counted: Counter[tuple[str, str]] = Counter() if refused is None else refused
    async with KeepAliveTransport(allowed=[ip_network("127.0.0.0/8")]) as transport:
        senders = {name: sender(name, source, transport) for name, source in sources.items()}
        opened = IngestDoor(
            ingest, senders, body_bytes=10_000, on_refused=lambda *what: counted.update([(what[0], what[1])])
        )
        config = uvicorn.Config(Starlette(routes=[opened.route]), port=0, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        async with asyncio.timeout(5):
            while not server.started:
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
        server.should_exit = True
        await running


def sender(name: str, source: dict[str, Any], transport: KeepAliveTransport) -> Sender:
    settings = SourceSettings.model_validate(source)
    token = settings.token.get_secret_value() if settings.token else None
    return Sender(Source(name, settings.dialect), token, guard_for(settings.auth, fetch_through(transport), time.time))


@pytest.fixture
def log() -> MemoryBackend:
    """Where events go."""
    return MemoryBackend(clock=time.time)


@pytest.fixture
async def amazon(serve: Serve, issuer: Issuer) -> tuple[RawServer, list[bytes]]:
    """Publishes a certificate and hears of visits."""
    visits: list[bytes] = []
    page = certificate(issuer.key, until=time.time() + 86400)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await read_request(reader)
            visits.append(head.split(b" ")[1])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))

    return await serve(talk), visits


async def test_a_token_opens_as_bearer_or_as_password(log: MemoryBackend) -> None:
    refused: Counter[tuple[str, str]] = Counter()
    async with door(log, {"minio": {"token": TOKEN}}, refused) as client:
        for headers in ({"Authorization": f"Bearer {TOKEN}"}, httpx.BasicAuth("me", TOKEN)):
            how: dict[str, Any] = {"auth": headers} if isinstance(headers, httpx.BasicAuth) else {"headers": headers}
            assert (await client.post("/ingest/minio", content=NOTIFICATION, **how)).json()["events"] == 1
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}!"}):
            for method in ("POST", "GET"):
                answer = await client.request(method, "/ingest/minio", content=NOTIFICATION, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")
                assert answer.headers["WWW-Authenticate"] == 'Basic realm="ossfn", Bearer'
                assert TOKEN not in answer.text
    assert refused == {("minio", "Unauthorized"): 4}
    assert (await log.stats()).events == 2


async def test_a_store_may_ask_without_its_token_whether_anybody_is_there(log: MemoryBackend) -> None:
    async with door(log, {"minio": {"token": TOKEN}}) as client:
        answer = await client.head("/ingest/minio")
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await client.head("/ingest/nobody")).status_code == 404


async def test_everything_else_that_is_not_let_in_is_counted_too(log: MemoryBackend) -> None:
    refused: Counter[tuple[str, str]] = Counter()
    async with door(log, {"open": {}}, refused) as client:
        for method, path, content, status in (
            ("POST", "/ingest/nobody", NOTIFICATION, 404),
            ("POST", "/ingest/else", NOTIFICATION, 404),
            ("DELETE", "/ingest/open", b"", 405),
            ("POST", "/ingest/open", b"{}", 400),
            ("POST", "/ingest/open", b" " * 10_001, 413),
        ):
            assert (await client.request(method, path, content=content)).status_code == status
    assert refused == {
        ("", "NoSuchSource"): 2,
        ("open", "MethodNotAllowed"): 1,
        ("open", "NotDecodable"): 1,
        ("open", "TooLarge"): 1,
    }
    assert (await log.stats()).events == 0


async def test_a_refusal_is_a_problem_like_those_of_the_json_api(log: MemoryBackend) -> None:
    async with door(log, {"open": {"dialect": "aws"}}) as client:
        answer = await client.post("/ingest/open", json={"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["title"], problem["code"]) == (400, "Bad Request", "NotDecodable")
    (fault,) = problem["faults"]
    assert (fault["code"], fault["message"], fault["field"]) == ("NotDecodable", problem["detail"], problem["place"])
    assert fault["field"].startswith("Records[0].s3")


async def test_where_anybody_may_post_web_pages_may_not(log: MemoryBackend) -> None:
    async with door(log, {"open": {}, "known": {"token": TOKEN}}) as client:
        host = client.base_url.netloc.decode()
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:1"},
            {"Origin": "http://evil.example", "Host": "evil.example"},  # DNS rebinding
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            answer = await client.post("/ingest/open", content=NOTIFICATION, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "OriginNotAllowed"), headers
        assert (await log.stats()).events == 0
        for source, headers in (
            ("open", {"Host": "store.lan"}),
            ("open", {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}),
            ("known", {"Origin": "https://console.example", "Authorization": f"Bearer {TOKEN}"}),
        ):
            answer = await client.post(f"/ingest/{source}", content=NOTIFICATION, headers=headers)
            assert answer.status_code == 200, headers


async def test_what_cannot_be_kept_is_asked_for_again(tmp_path: Path) -> None:
    full = backend_for(
        f"sqlite:///{tmp_path}/outbox.db",
        clock=time.time,
        lease_seconds=60,
        duplicate_window_seconds=60,
        max_pending=1,
        reserve_bytes=2**62,
    )
    await full.open()
    refused: Counter[tuple[str, str]] = Counter()
    async with door(full, {"open": {}}, refused) as client:
        answer = await client.post("/ingest/open", content=NOTIFICATION)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert refused == {("open", "ServiceUnavailable"): 1}
    await full.close()


async def test_a_webhook_signed_by_the_package_is_let_in(log: MemoryBackend) -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "m-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("m-1", now, NOTIFICATION.decode()),
    }
    source = {"auth": {"kind": "standard-webhooks", "secrets": [SECRET]}}
    refused: Counter[tuple[str, str]] = Counter()
    async with door(log, {"peer": source}, refused) as client:
        assert (await client.post("/ingest/peer", content=NOTIFICATION, headers=headers)).status_code == 200
        answer = await client.post("/ingest/peer", content=NOTIFICATION + b" ", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "SignatureDoesNotMatch")
    assert refused == {("peer", "SignatureDoesNotMatch"): 1}


async def test_jd_is_let_in_by_the_certificate_it_points_to(
    log: MemoryBackend, amazon: tuple[RawServer, list[bytes]], issuer: Issuer, stranger: Issuer
) -> None:
    server, visits = amazon
    source = {"dialect": "jd", "auth": {"kind": "jd", "certificate_origins": [server.url]}}
    url = f"{server.url}/x509_public_certificate.pem"
    today = formatdate(time.time(), usegmt=True)
    asked = with_headers(unsigned(b"hello", url=url), date=today, x_jdcloud_message_type="SubscriptionConfirmation")
    event = with_headers(unsigned(NOTIFICATION, url=url, target="/ingest/jd?x=%2F"), date=today)
    async with door(log, {"jd": source}) as client:
        for by, posted, status in (
            (issuer, asked, 200), (issuer, event, 200), (stranger, asked, 403), (stranger, event, 403),
        ):  # fmt: skip
            good = signed_by_jd(by, posted)
            headers = {name: value for name, value in good.headers.items() if name != "host"}
            answer = await client.post(good.target, content=good.body, headers=headers)
            assert answer.status_code == status, answer.text
            if posted is asked and status == 200:
                assert answer.text == "aGVsbG8="
    assert visits == [b"/x509_public_certificate.pem"]
    assert (await log.stats()).events == 1


async def test_a_subscription_of_an_expected_topic_is_confirmed(
    log: MemoryBackend, amazon: tuple[RawServer, list[bytes]], issuer: Issuer
) -> None:
    server, visits = amazon
    subscribe = SUBSCRIBE.replace("https://sns.us-east-1.amazonaws.com", server.url)
    now = datetime.now(UTC).isoformat()
    text = CONFIRMATION_TEXT.replace(SUBSCRIBE, subscribe).replace(CONFIRMATION["Timestamp"], now)
    message = {
        **CONFIRMATION,
        "Timestamp": now,
        "SubscribeURL": subscribe,
        "SignatureVersion": "2",
        "Signature": issuer.sign(text.encode(), SHA256()),
        "SigningCertURL": f"{server.url}/c.pem",
    }
    source = {"dialect": "sns", "auth": {"kind": "sns", "topics": [TOPIC], "origins": [server.url]}}
    async with door(log, {"sns": source, "open": {}}) as client:
        answer = await client.post("/ingest/sns", json=message)
        assert (answer.status_code, answer.json()) == (200, {"confirmed": TOPIC})
        assert visits == [b"/c.pem", subscribe.removeprefix(server.url).encode()]
        assert (await client.post("/ingest/sns", json=message | {"Token": "other"})).status_code == 403
        # Nobody said that this source may subscribe to anything, so a person must.
        assert (await client.post("/ingest/open", json=message)).json() == {"confirm": subscribe, "topic": TOPIC}
    assert len(visits) == 2


@pytest.mark.parametrize("settings", [{"sources": {"x": {"token": ""}}}, {"api_token": ""}])
def test_an_empty_token_would_let_everybody_in(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Settings.model_validate(settings)


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"kind": "magic"}, "'standard-webhooks', 'jd', 'sns'"),
        ({"kind": "standard-webhooks", "secrets": []}, "at least 1 item"),
        ({"kind": "standard-webhooks", "secrets": ["topsecret"]}, "a webhook secret is"),
        ({"kind": "jd", "certificate_origins": []}, "at least 1 item"),
        ({"kind": "jd", "certificate_origins": ["jd.example"]}, "match pattern"),
        ({"kind": "jd", "certificate_origins": ["https://jd.example/path"]}, "match pattern"),
        ({"kind": "jd", "certificate_origins": ["https://jd.example:port"]}, "is no URL"),
        ({"kind": "sns", "topics": []}, "at least 1 item"),
        ({"kind": "sns", "topics": ["s3-topic"]}, "match pattern"),
        ({"kind": "sns", "topics": [TOPIC], "topsecret": 1}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(auth: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate({"sources": {"x": {"auth": auth}}})
    assert "input_value" not in str(caught.value)


def test_a_source_that_signs_needs_no_token_to_be_reached_from_elsewhere() -> None:
    jd = {"auth": {"kind": "jd", "certificate_origins": ["https://jd.example"]}}
    settings = {"host": "0.0.0.0", "api_token": "t", "sources": {"jd": jd}}  # noqa: S104 - never listened on
    assert Settings.model_validate(settings).sources["jd"].token is None
    with pytest.raises(ValidationError, match="a token or auth for every source; missing: open"):
        Settings.model_validate(settings | {"sources": {"jd": jd, "open": {}}})
