"""Who may speak to the API, and how much they may say: checked before a request reaches any route."""

import hmac
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ossfn.adapter.web.api_faults import simple
from ossfn.functions.bundle import ZIPPED_BYTES

JSON_BYTES = 1024 * 1024
ZIP = "application/zip"
_JSON_OR_ZIP = re.compile(r"application/(zip|json|[^/]+\+json)")
_ANY = re.compile(".*")


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody whom the API knows."""

    name: str
    """Who made a change, in the history."""
    secret: str = field(repr=False)
    may_write: bool = True


NOBODY = Token("api", "")
"""Whoever asks where no token is needed."""


class Guard:
    """In front of the API: lets in who bears a token, or when there is none this machine's own programs and pages."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Sequence[Token],
        any_bodies_to: int | None = None,
        reading: Container[str] = ("GET", "HEAD"),
    ) -> None:
        """With `any_bodies_to` the app takes bodies of every type, of so many bytes at most.

        `reading` are the methods that change nothing, for which a token that may only read will do.
        """
        self._app = app
        self._tokens = tokens
        self._any_bodies_to = any_bodies_to
        self._reading = reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        headers = Headers(scope=scope)
        caller = self._bearer(headers) if self._tokens else NOBODY
        most = _most(headers) if self._any_bodies_to is None else self._any_bodies_to
        kinds = _JSON_OR_ZIP if self._any_bodies_to is None else _ANY
        refused = _stranger(caller, headers, scope["method"] in self._reading) or _unreadable(headers, kinds, most)
        if refused is None and caller is not None:
            known = {**scope, "state": {**scope.get("state", {}), "caller": caller.name}}
            await self._app(known, _bounded(receive, most), send)
        elif refused is not None:
            await refused(scope, receive, send)

    def _bearer(self, headers: Headers) -> Token | None:
        kind, _, given = headers.get("authorization", "").partition(" ")
        secret = given.strip().encode()
        if kind.lower() != "bearer" or not secret:
            return None
        # Every token is compared, so that the time it takes says nothing.
        found = [token for token in self._tokens if hmac.compare_digest(secret, token.secret.encode())]
        return found[0] if found else None


def _stranger(caller: Token | None, headers: Headers, reads: bool) -> Response | None:
    if caller is NOBODY:
        return foreign(headers)
    if caller is None:
        answer = simple(401, "Unauthorized", "The API needs a token.", "Send it as `Authorization: Bearer TOKEN`.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if not reads and not caller.may_write:
        advice = "Use a token whose scope is write."
        return simple(403, "ReadOnlyToken", f"The token {caller.name} may read, not change anything.", advice)
    return None


def foreign(headers: Headers) -> Response | None:
    """Without a token, any web page a person looks at could speak to this port: by a name of its own that resolves to
    loopback (DNS rebinding: its Host gives it away), or across sites (`page_from_elsewhere`).
    """
    host = headers.get("host", "")
    if not _is_loopback(host):
        advice = "Ask for localhost or 127.0.0.1, or configure an API token."
        return simple(403, "HostNotAllowed", f"{host or 'No host'} is not a name of this machine.", advice)
    if (page := page_from_elsewhere(headers)) is not None:
        advice = "Configure an API token and let the page send it."
        return simple(403, "OriginNotAllowed", f"{page} may not use this port.", advice)
    return None


def page_from_elsewhere(headers: Headers) -> str | None:
    """Which web page sends this in a browser (`Pages of https://…`), unless it came from this machine's same port.

    A browser names the Origin of whatever changes something, and for the rest says in Sec-Fetch-Site (W3C Fetch
    Metadata) whether the page is of the same origin.
    """
    host, origin, site = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and not (_is_loopback(host) and origin.partition("://")[2] == host):
        return f"Pages of {origin}"
    return "Pages of another origin" if site in ("cross-site", "same-site") else None


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
        return name == "localhost" or (name is not None and ip_address(name).is_loopback)
    except ValueError:
        return False


def media_type(headers: Headers) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _most(headers: Headers) -> int:
    return ZIPPED_BYTES if media_type(headers) == ZIP else JSON_BYTES


def _unreadable(headers: Headers, kinds: re.Pattern[str], most: int) -> Response | None:
    """A body that no route reads: of another type, or announced as too long."""
    length = headers.get("content-length", "")
    has_body = length not in ("", "0") or "transfer-encoding" in headers
    kind = media_type(headers)
    if has_body and not kinds.fullmatch(kind):
        advice = "Send Content-Type: application/json, or application/zip for a function's code."
        return simple(415, "UnsupportedMediaType", f"A body of type {kind or 'unknown'} is not read.", advice)
    if length.isdecimal() and int(length[:20]) > most:
        return simple(413, "TooLarge", _too_large(most))
    return None


def _bounded(receive: Receive, most: int) -> Receive:
    """The same body, but an end to it when it turns out too long."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413, _too_large(most))
        return message

    return bounded


def _too_large(most: int) -> str:
    return f"The body may have {most >> 20} MiB at most."
