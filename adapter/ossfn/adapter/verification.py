"""Asks callbacks whether they want events before any are sent: by JD Cloud's echo or CloudEvents' handshake."""

import asyncio
import base64
import hmac
import secrets
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, assert_never
from urllib.parse import urlencode

import httpx

from ossfn.adapter.backend import BackendUnavailable, History
from ossfn.adapter.connection import Answer
from ossfn.adapter.connector import Origin
from ossfn.adapter.senders import Endpoint
from ossfn.adapter.senders.http_sender import USER_AGENT
from ossfn.adapter.transport import KeepAliveTransport, Timeouts, request_bytes
from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.proofs import Question
from ossfn.trigger_registry.rules import Callback

T = TypeVar("T")

ASKING_AT_ONCE = 4
"""Changes that wait for callbacks at one time; each holds a thread."""
CALLS_AT_ONCE = 128
"""Callbacks that are called at one time for all of them; each holds a socket, and a document may name 500."""

GRANT_PATH = "/callback-grants"
UNVERIFIED = "unverified: "
"""How the reason begins for which such a target is paused."""


@dataclass(frozen=True, slots=True)
class Grants:
    """Addresses by which a callback, or a person with a browser, consents later; the key in them cannot be guessed."""

    public_url: str
    """Where others reach this service."""
    derived: Callable[[str], bytes]
    """A secret for a purpose, the same after every start."""

    def address(self, url: str) -> str:
        """Whoever gets this consents for the callback at `url`."""
        return f"{self.public_url.rstrip('/')}{GRANT_PATH}/{self._key(url)}?{urlencode({'callback': url})}"

    def is_for(self, url: str, key: str) -> bool:
        """Whether the key is that callback's."""
        return hmac.compare_digest(key.encode(), self._key(url).encode())

    def _key(self, url: str) -> str:
        return base64.urlsafe_b64encode(self.derived(f"grant of {url}")).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Handshake:
    """What our CloudEvents handshake says (CloudEvents HTTP webhooks 1.0, section 4)."""

    origin: str
    """The name under which we ask."""
    rate: int | None = None
    """Requests a minute that we ask for; None: that is not spoken of, and 429 answers are heeded."""

    def headers(self, grant: str) -> dict[str, str]:
        """The question; `grant` is where consent may come later, empty for nowhere."""
        rate = "" if self.rate is None else str(self.rate)
        asked = {
            "WebHook-Request-Origin": self.origin,
            "WebHook-Request-Callback": grant,
            "WebHook-Request-Rate": rate,
        }
        return {name: value for name, value in asked.items() if value}

    def refusal(self, answer: Answer) -> str:
        """Why this answer is no consent; empty when it is. A status alone never is."""
        allowed = answer.header(b"webhook-allowed-origin") or ""
        if not 200 <= answer.status < 300:
            return f"it answered OPTIONS with {answer.status}"
        if allowed != "*" and allowed.lower() != self.origin.lower():
            given = f"WebHook-Allowed-Origin: {allowed[:100]}" if allowed else "without WebHook-Allowed-Origin"
            return f"it answered OPTIONS {given}; {self.origin} or * gives consent"
        return self._rate_refusal(answer.header(b"webhook-allowed-rate") or "")

    def _rate_refusal(self, allowed: str) -> str:
        if self.rate is None or allowed == "*":
            return ""
        if allowed.isascii() and allowed.isdigit() and int(allowed[:10]) >= self.rate:
            return ""
        return f"its WebHook-Allowed-Rate is {allowed[:20] or 'missing'}; {self.rate} or * is needed"


def echo_refusal(answer: Answer, message: bytes) -> str:
    """Why this answer to JD Cloud's confirmation is no consent; empty when it is."""
    if not 200 <= answer.status < 300:
        return f"it answered the SubscriptionConfirmation with {answer.status}"
    if not hmac.compare_digest(answer.body.strip(), base64.b64encode(message)):
        return "its answer to the SubscriptionConfirmation is not the base64 of the body it was sent"
    return ""


class CallbackVerification:
    """Asks for the registry, whose threads wait here while the service's event loop does the asking.

    What is kept although it does not consent is paused as a target; consent that comes later ends the pause.
    """

    def __init__(
        self,
        transport: KeepAliveTransport,
        endpoint: Callable[[str], Endpoint],
        history: History,
        handshake: Handshake,
        grants: Grants | None = None,
        *,
        seconds: float = 10.0,
    ) -> None:
        """To be made on the event loop that the transport and the history belong to.

        `endpoint` says how to call a URL; `seconds` is what a callback has for its answer, connecting included.
        """
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._endpoint = endpoint
        self._history = history
        self._handshake = handshake
        self._grants = grants
        self._seconds = seconds
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._places = threading.BoundedSemaphore(ASKING_AT_ONCE)

    def verify(self, questions: Collection[Question]) -> Mapping[Question, str]:
        """Why each callback does not consent, empty when it does. For any thread but the event loop's.

        Raises RegistryUnavailable when too many are being asked already, or the answers cannot be heeded now.
        """
        if not self._places.acquire(blocking=False):
            raise RegistryUnavailable("Too many changes wait for callbacks to answer; try again in a few seconds.")
        try:
            return self._on_loop(self._ask_all(questions))
        finally:
            self._places.release()

    def hold(self, reasons: Mapping[str, str]) -> None:
        """Send nothing to these URLs until they consent. For any thread but the event loop's."""
        self._on_loop(self._hold(reasons))

    async def granted(self, url: str, key: str) -> bool:
        """Take consent that comes later; False when the key is not that callback's."""
        if self._grants is None or not self._grants.is_for(url, key):
            return False
        await self._let_go({url})
        return True

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except BackendUnavailable as error:
            raise RegistryUnavailable(f"Whether callbacks agreed cannot be kept now: {error}") from error

    async def _ask_all(self, questions: Collection[Question]) -> Mapping[Question, str]:
        reasons = await asyncio.gather(*(self._ask(url, kind) for url, kind in questions))
        answers = dict(zip(questions, reasons, strict=True))
        await self._let_go({url for (url, _), reason in answers.items() if not reason})
        return answers

    async def _ask(self, url: str, kind: Literal["jd", "cloudevents"]) -> str:
        try:
            match kind:
                case "jd":
                    message = f"ossfn asks to send events: {secrets.token_hex(16)}".encode()
                    headers = {
                        "Content-Type": "text/plain; charset=utf-8",
                        "x-jdcloud-message-type": "SubscriptionConfirmation",
                    }
                    return echo_refusal(await self._send("POST", url, headers, message), message)
                case "cloudevents":
                    grant = self._grants.address(url) if self._grants else ""
                    return self._handshake.refusal(await self._send("OPTIONS", url, self._handshake.headers(grant)))
                case _:
                    assert_never(kind)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return str(error) or type(error).__name__  # never empty: that would be consent

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        endpoint, address = self._endpoint(url), httpx.URL(url)
        sent = {**dict(endpoint.headers), **headers, "Content-Length": str(len(body))}
        request = request_bytes(
            method,
            address.raw_path,
            [
                (b"Host", address.netloc),
                (b"User-Agent", USER_AGENT),
                *((name.encode(), value.encode()) for name, value in sent.items()),
            ],
            body,
        )
        origin = Origin.of(address, guarded=True, tls=endpoint.tls)
        async with self._calls:
            return await self._transport.exchange(origin, request, Timeouts(*[self._seconds] * 5))

    async def _hold(self, reasons: Mapping[str, str]) -> None:
        for url, reason in reasons.items():
            await self._history.pause(Callback(url).id, UNVERIFIED + reason)

    async def _let_go(self, urls: Collection[str]) -> None:
        targets = {Callback(url).id for url in urls}
        for state in await self._history.paused_targets():
            if state.target in targets and state.paused_reason.startswith(UNVERIFIED):
                await self._history.resume(state.target)
