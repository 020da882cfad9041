"""The door that stores knock at: `POST /ingest/{source}`."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ossfn.adapter.backend import BackendUnavailable
from ossfn.adapter.dialects import Confirmation, NotDecodable
from ossfn.adapter.ingest import Ingest, Receipt, Source
from ossfn.adapter.web.problems import json_response, problem

log = structlog.get_logger()

_METHODS = ("POST", "GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Sender:
    """A configured source and the bearer token it must send (None: whoever reaches the port)."""

    source: Source
    token: str | None = None


class IngestDoor:
    """Lets notifications of known senders in, bounded, and answers as stores expect: 200 means durable."""

    def __init__(self, ingest: Ingest, senders: Mapping[str, Sender], *, body_bytes: int) -> None:
        self._ingest = ingest
        self._senders = senders
        self._body_bytes = body_bytes

    @property
    def route(self) -> Route:
        """The route to mount."""
        return Route("/ingest/{source}", self.answer, methods=[*_METHODS, "PUT", "PATCH", "DELETE", "OPTIONS"])

    async def answer(self, request: Request) -> Response:
        """One request of a store; MinIO asks with HEAD before it sends anything."""
        name = request.path_params["source"]
        sender = self._senders.get(name)
        if sender is None:
            known = ", ".join(sorted(self._senders))
            return problem(404, "unknown-source", f"there is no ingest source {name!r}; known: {known}")
        if not _allowed(request, sender.token):
            refused = problem(401, "unauthorized", f"source {name!r} needs its bearer token in Authorization")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        if request.method not in _METHODS:
            wrong = problem(405, "method-not-allowed", "notifications are sent with POST")
            wrong.headers["Allow"] = ", ".join(_METHODS)
            return wrong
        if request.method != "POST":
            return json_response(200, {"source": name, "dialect": sender.source.dialect})
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return problem(400, "incomplete", "the connection ended before the body did")
        if body is None:
            return problem(
                413,
                "too-large",
                f"a notification may have {self._body_bytes} bytes at most; send fewer records at a time",
            )
        return await self._accept(sender.source, request, body)

    async def _body(self, request: Request) -> bytes | None:
        """The body, or None when it is over the cap."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._body_bytes:
            return None
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._body_bytes:
                return None
        return bytes(body)

    async def _accept(self, source: Source, request: Request, body: bytes) -> Response:
        try:
            taken = await self._ingest.accept(source, request.headers, body)
        except NotDecodable as fault:
            log.warning("notification.refused", source=source.name, place=fault.place, reason=fault.reason)
            return problem(400, "not-decodable", fault.reason, place=fault.place)
        except BackendUnavailable as fault:
            log.error("notification.not_kept", source=source.name, reason=str(fault))
            answer = problem(503, "unavailable", f"nothing was kept, send it again: {fault}")
            answer.headers["Retry-After"] = str(fault.retry_after_seconds)
            return answer
        match taken:
            case Confirmation(kind="jd", answer=echo):
                return Response(echo, media_type="text/plain")
            case Confirmation():
                log.warning("subscription.to_confirm", source=source.name, topic=taken.topic, url=taken.url)
                return json_response(200, {"confirm": taken.url, "topic": taken.topic})
            case Receipt():
                return json_response(
                    200,
                    {
                        "events": taken.events,
                        "deliveries": taken.deliveries,
                        "duplicates": taken.duplicates,
                        "ignored": list(taken.ignored),
                    },
                )


def _allowed(request: Request, token: str | None) -> bool:
    """Whether the request carries the source's token: as bearer, or as the password of basic authentication."""
    if token is None:
        return True
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:
            return False
    given = given.removeprefix("Bearer ")  # MinIO puts its own in front of a token that has one
    return kind.lower() in ("bearer", "basic") and hmac.compare_digest(given.strip().encode(), token.encode())
