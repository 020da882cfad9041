"""Whether callbacks want events: asked of receivers that agree, refuse, lie, hang and lead astray."""

import asyncio
import base64
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ossfn.adapter.backends.memory import MemoryBackend
from ossfn.adapter.senders import Callbacks
from ossfn.adapter.settings import CallbackSettings
from ossfn.adapter.transport import KeepAliveTransport
from ossfn.adapter.verification import (
    ASKING_AT_ONCE,
    CALLS_AT_ONCE,
    UNVERIFIED,
    CallbackVerification,
    Grants,
    Handshake,
)
from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.proofs import Question

Handler = Callable[[Request], Awaitable[Response]]
LINK = "https://triggers.example.com/callback-grants/"


@dataclass
class Receiver:
    """A real server: what was asked of it, and its answers by path."""

    url: str = ""
    asked: list[Request] = field(default_factory=list)
    answers: dict[str, Handler] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        return await self.answers[request.url.path](request)


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    app = Starlette(routes=[Route("/{path}", receiver.__call__, methods=["POST", "OPTIONS", "GET"])])
    with serving(app) as receiver.url:
        yield receiver


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend(clock=time.time)
    await backend.open()
    yield backend
    await backend.close()


Verify = Callable[..., CallbackVerification]


@pytest.fixture
async def transport() -> AsyncIterator[KeepAliveTransport]:
    transport = KeepAliveTransport(allowed=[ip_network("127.0.0.0/8")])
    yield transport
    await transport.aclose()


@pytest.fixture
def verification(transport: KeepAliveTransport, backend: MemoryBackend) -> Verify:
    def make(rate: int | None = None, grants: Grants | None = None, seconds: float = 5.0) -> CallbackVerification:
        headers = CallbackSettings.model_validate({"headers": {"X-Api-Key": "k"}})
        callbacks = Callbacks({"*": headers}, origin="me.example.com", timeout_seconds=30)
        handshake = Handshake("me.example.com", rate)
        return CallbackVerification(transport, callbacks.endpoint, backend, handshake, grants, seconds=seconds)

    return make


async def reason(verification: CallbackVerification, question: Question) -> str:
    return (await asyncio.to_thread(verification.verify, {question}))[question]


async def echo(request: Request) -> Response:
    return Response(base64.b64encode(await request.body()) + b"\n")


def says(body: bytes = b"", status: int = 200, **headers: str) -> Handler:
    async def answer(_: Request) -> Response:
        return Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def test_jd_callbacks_echo_the_message(receiver: Receiver, verification: Verify) -> None:
    receiver.answers["/hook"] = echo
    asking = verification()
    for _ in range(2):
        assert await reason(asking, (f"{receiver.url}/hook", "jd")) == ""
    first, second = receiver.asked
    assert (first.method, first.headers["x-jdcloud-message-type"]) == ("POST", "SubscriptionConfirmation")
    assert (first.headers["x-api-key"], first.headers["user-agent"][:6]) == ("k", "ossfn/")
    assert await first.body() != await second.body(), "an answer cannot be known beforehand"


async def redirect(request: Request) -> Response:
    return RedirectResponse("/hook", 307)


async def endless(_: Request) -> Response:
    return StreamingResponse(itertools.repeat(b"A" * 65536))


async def body_as_it_came(request: Request) -> Response:
    return Response(await request.body())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says(b"", 404), "answered the SubscriptionConfirmation with 404"),
        (says(b"ok"), "is not the base64"),
        (says(b""), "is not the base64"),
        (says("图".encode()), "is not the base64"),
        (body_as_it_came, "is not the base64"),
        (redirect, "with 307"),
        (endless, "is not the base64"),
    ],
)
async def test_jd_callbacks_that_do_not_agree(
    receiver: Receiver, verification: Verify, answer: Handler, why: str
) -> None:
    receiver.answers = {"/hook": echo, "/wrong": answer}
    assert why in await reason(verification(), (f"{receiver.url}/wrong", "jd"))
    assert [request.url.path for request in receiver.asked] == ["/wrong"]


async def hang(_: Request) -> Response:
    await asyncio.sleep(60)
    return Response()


async def test_a_callback_that_hangs_is_given_up(receiver: Receiver, verification: Verify) -> None:
    receiver.answers = {"/hang": hang, "/hook": echo}
    hanging: Question = (f"{receiver.url}/hang", "jd")
    quick: Question = (f"{receiver.url}/hook", "jd")
    answers = await asyncio.to_thread(verification(seconds=0.3).verify, {hanging, quick})
    assert "0.3 s" in answers[hanging]
    assert answers[quick] == ""


async def test_a_document_of_five_hundred_callbacks(receiver: Receiver, verification: Verify) -> None:
    under_way, most = 0, 0

    async def slow_echo(request: Request) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return await echo(request)

    receiver.answers["/hook"] = slow_echo
    questions: set[Question] = {(f"{receiver.url}/hook?{n}", "jd") for n in range(500)}
    answers = await asyncio.to_thread(verification().verify, questions)
    assert set(answers.values()) == {""}
    assert 20 < most <= CALLS_AT_ONCE


async def test_only_so_many_changes_wait_at_once(receiver: Receiver, verification: Verify) -> None:
    receiver.answers = {"/hang": hang, "/hook": echo}
    asking, loop = verification(seconds=0.5), asyncio.get_running_loop()
    question: Question = (f"{receiver.url}/hang", "jd")
    with ThreadPoolExecutor(ASKING_AT_ONCE) as pool:
        waiting = [loop.run_in_executor(pool, asking.verify, {question}) for _ in range(ASKING_AT_ONCE)]
        while len(receiver.asked) < ASKING_AT_ONCE:
            await asyncio.sleep(0.01)
        with pytest.raises(RegistryUnavailable):
            await reason(asking, (f"{receiver.url}/hook", "jd"))
        await asyncio.gather(*waiting)
    assert await reason(asking, (f"{receiver.url}/hook", "jd")) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://10.0.0.1/", "blocked by policy"),
        ("http://[::ffff:169.254.169.254]/latest/meta-data", "blocked by policy"),
        ("http://none.invalid/", "cannot find none.invalid"),
        ("http://127.0.0.1:1/", "Connection refused"),
        ("http://\u0301a.example/", "Invalid IDNA hostname"),
    ],
)
async def test_where_nobody_can_be_asked(verification: Verify, url: str, why: str) -> None:
    assert why in await reason(verification(), (url, "jd"))


async def test_a_server_that_hangs_up(verification: Verify) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        assert "closed the connection" in await reason(
            verification(), (f"http://127.0.0.1:{server.getsockname()[1]}/", "cloudevents")
        )


@pytest.mark.parametrize("allowed", ["me.example.com", "ME.example.com", "*"])
async def test_cloudevents_callbacks_grant_by_header(receiver: Receiver, verification: Verify, allowed: str) -> None:
    receiver.answers["/hook"] = says(WebHook_Allowed_Origin=allowed)
    assert await reason(verification(), (f"{receiver.url}/hook", "cloudevents")) == ""
    (asked,) = receiver.asked
    assert (asked.method, asked.headers.getlist("webhook-request-origin")) == ("OPTIONS", ["me.example.com"])
    assert not {"webhook-request-callback", "webhook-request-rate"} & set(asked.headers)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says(b"yes, please"), "without WebHook-Allowed-Origin"),
        (says(WebHook_Allowed_Origin="you.example.com"), "you.example.com"),
        (says(WebHook_Allowed_Origin="me.example.com, *"), "gives consent"),
        (says(b"", 405, WebHook_Allowed_Origin="*"), "answered OPTIONS with 405"),
        (says(b"", 302, WebHook_Allowed_Origin="*", Location="/hook"), "answered OPTIONS with 302"),
    ],
)
async def test_cloudevents_callbacks_that_do_not_grant(
    receiver: Receiver, verification: Verify, answer: Handler, why: str
) -> None:
    receiver.answers = {"/wrong": answer, "/hook": says(WebHook_Allowed_Origin="*")}
    assert why in await reason(verification(), (f"{receiver.url}/wrong", "cloudevents"))


@pytest.mark.parametrize(
    ("allowed", "agrees"), [("120", True), ("121", True), ("*", True), ("119", False), ("", False), ("-1", False)]
)
async def test_a_rate_that_is_asked_for_must_be_granted(
    receiver: Receiver, verification: Verify, allowed: str, agrees: bool
) -> None:
    receiver.answers["/hook"] = says(WebHook_Allowed_Origin="*", WebHook_Allowed_Rate=allowed)
    why = await reason(verification(rate=120), (f"{receiver.url}/hook", "cloudevents"))
    assert (why == "") == agrees, why
    assert receiver.asked[0].headers["webhook-request-rate"] == "120"


async def paused(backend: MemoryBackend) -> dict[str, str]:
    return {state.target: state.paused_reason for state in await backend.paused_targets()}


async def test_consent_may_come_later_by_the_link(
    receiver: Receiver, verification: Verify, backend: MemoryBackend
) -> None:
    asking = verification(grants=Grants("https://triggers.example.com/", lambda purpose: purpose.encode()[::-1]))
    receiver.answers["/hook"] = says()
    url = f"{receiver.url}/hook"
    why = await reason(asking, (url, "cloudevents"))
    await asyncio.to_thread(asking.hold, {url: why})
    assert await paused(backend) == {f"callback:{url}": UNVERIFIED + why}
    link = receiver.asked[0].headers["webhook-request-callback"]
    key = urlsplit(link.removeprefix(LINK))
    assert parse_qs(key.query) == {"callback": [url]}
    for wrong in ((url, key.path[:-1]), (url, ""), (url, "图"), (f"{url}2", key.path), ("", key.path)):
        assert not await asking.granted(*wrong)
    assert await paused(backend)
    assert await asking.granted(url, key.path)
    assert await asking.granted(url, key.path), "a link that is opened twice is not wrong"
    assert await paused(backend) == {}
    assert not await verification().granted(url, key.path)


async def test_consent_ends_only_the_pause_for_its_want(
    receiver: Receiver, verification: Verify, backend: MemoryBackend
) -> None:
    receiver.answers["/hook"] = echo
    asking, url = verification(), f"{receiver.url}/hook"
    await asyncio.to_thread(asking.hold, {url: "it slept", "http://other.example/": "it slept"})
    assert await reason(asking, (url, "jd")) == ""
    assert await paused(backend) == {"callback:http://other.example/": "unverified: it slept"}
    await backend.pause(f"callback:{url}", "paused by an operator")
    assert await reason(asking, (url, "jd")) == ""
    assert f"callback:{url}" in await paused(backend)
