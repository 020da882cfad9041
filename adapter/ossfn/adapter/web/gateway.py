"""`/functions/{name}`: any request to a function, answered as the function answers; for whoever may use the API."""

from collections.abc import Iterable, Sequence

import httpx
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ossfn.adapter.connection import Answer, Keep
from ossfn.adapter.connector import Origin
from ossfn.adapter.transport import KeepAliveTransport, Timeouts, request_bytes
from ossfn.adapter.web.api_faults import simple
from ossfn.adapter.web.api_guard import Guard, Token
from ossfn.functions.errors import NoSuchFunction
from ossfn.functions.service import Functions

BODY_BYTES = 6 * 1024 * 1024
"""JD Cloud Function Service, Restrictions: 6 MB for the request and for the answer of a synchronous call."""

_GRACE_SECONDS = 10.0
"""The function's own host stops it at its limit and answers; a little later we stop waiting for that answer."""
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)
"""RFC 9110 7.6.1: between two neighbours only."""
_OURS = frozenset((b"host", b"content-length", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))

Header = tuple[bytes, bytes]


def gateway_route(functions: Functions, *, tokens: Sequence[Token]) -> Route:
    """The route; with tokens a request must bear one that may write, which the function does not see."""
    gateway = Gateway(functions, keep_credentials=not tokens)
    return Route("/functions/{name}{path:path}", Guard(gateway, tokens=tokens, any_bodies_to=BODY_BYTES, reading=()))


class Gateway:
    """Passes requests on, whole, and the answers back. A request is sent once: functions need not bear it twice."""

    def __init__(self, functions: Functions, *, keep_credentials: bool) -> None:
        self._functions = functions
        self._keep_credentials = keep_credentials
        # No connection is used again, since a request that fails on such a one would be sent once more.
        self._transport = KeepAliveTransport(
            idle_seconds=0.0, keep=Keep(BODY_BYTES, BODY_BYTES), connections_per_origin=1024
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request, await request.body())
        except HTTPException as error:
            answer = simple(error.status_code, "TooLarge", error.detail)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> Response:
        name = request.path_params["name"]
        address = self._functions.address_of(name)
        if address is None:
            return simple(404, "NoSuchFunction", str(NoSuchFunction(name)))
        seconds = (self._functions.timeout_of(name) or 0) + _GRACE_SECONDS
        origin, host, base = _place(address)
        headers = [*self._passed_on(request), (b"Host", host), (b"Content-Length", b"%d" % len(body))]
        sent = request_bytes(request.method, base + _rest(request), headers, body)
        try:
            answer = await self._transport.exchange(origin, sent, Timeouts(10.0, seconds, seconds, seconds, seconds))
        except httpx.TimeoutException as error:
            return simple(504, "NoAnswer", f"{name} gave no answer: {error}")
        except httpx.TransportError as error:
            return simple(502, "NoAnswer", f"{name} gave no answer: {error}")
        return _passed_back(name, request.method, answer)

    def _passed_on(self, request: Request) -> Iterable[Header]:
        ours = _OURS if self._keep_credentials else _OURS | {b"authorization"}
        yield from _without_hops(request.headers.raw, ours)
        yield b"X-Forwarded-For", (request.client.host if request.client else "").encode()
        yield b"X-Forwarded-Host", request.headers.get("host", "").encode("latin-1")
        yield b"X-Forwarded-Proto", request.url.scheme.encode()


def _place(address: str) -> tuple[Origin, bytes, bytes]:
    """Where to connect to, the `Host` header, and what stands before every path."""
    if address.startswith("unix:"):
        return Origin("unix", address.removeprefix("unix:")), b"localhost", b""
    url = httpx.URL(address)
    return Origin.of(url, guarded=False), url.netloc, url.raw_path.partition(b"?")[0].rstrip(b"/")


def _rest(request: Request) -> bytes:
    """Path and query below the function, spelled as they came."""
    path: bytes = request.scope["raw_path"].partition(b"?")[0]
    below = b"/".join(path.split(b"/")[3:])
    query: bytes = request.scope["query_string"]
    return b"/" + below + (b"?" + query if query else b"")


def _passed_back(name: str, method: str, answer: Answer) -> Response:
    if answer.truncated:
        return simple(502, "TooLarge", f"the answer of {name} has more than {BODY_BYTES >> 20} MiB")
    response = Response(answer.body, answer.status)
    length = [] if method == "HEAD" else [(b"content-length", b"%d" % len(answer.body))]
    # Our own server says the date.
    kept = _without_hops(answer.headers, frozenset((b"date",) if method == "HEAD" else (b"date", b"content-length")))
    response.raw_headers = [*kept, *([] if answer.status in (204, 304) else length)]
    return response


def _without_hops(headers: Iterable[Header], more: frozenset[bytes]) -> list[Header]:
    lower = [(name.lower(), value) for name, value in headers]
    named = {word.strip().lower() for name, value in lower if name == b"connection" for word in value.split(b",")}
    left_out = _HOP_BY_HOP | named | more
    return [(name, value) for name, value in lower if name not in left_out]
