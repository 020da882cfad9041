"""The door that stores knock at: `POST /ingest/{source}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ossfn.adapter.backend import BackendUnavailable
from ossfn.adapter.dialects import Confirmation, NotDecodable
from ossfn.adapter.ingest import Ingest, Receipt, Source
from ossfn.adapter.web.api_faults import Fault, refusal
from ossfn.adapter.web.api_guard import page_from_elsewhere
from ossfn.adapter.web.ingest_auth import Guard, Posted, Refused, SnsGuard, carries
from ossfn.adapter.web.problems import json_response

log = structlog.get_logger()

_TAKEN = ("POST", "GET", "HEAD")
# SNS sends a password only to who asks for it like this.
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="ossfn", Bearer'}


@dataclass(frozen=True, slots=True)
class Sender:
    """A configured source, the token that it must show and the guard that it must pass (None: whoever knocks)."""

    source: Source
    token: str | None = None
    guard: Guard | None = None


class IngestDoor:
    """Lets notifications of known senders in, bounded, and answers as stores expect: 200 means durable.

    `on_refused` hears the source (empty for an unknown one) and the reason of each request that is not let in.
    """

    def __init__(
        self,
        ingest: Ingest,
        senders: Mapping[str, Sender],
        *,
        body_bytes: int,
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._ingest = ingest
        self._senders = senders
        self._body_bytes = body_bytes
        self._on_refused = on_refused

    @property
    def route(self) -> Route:
        """The route to mount."""
        # What it does not take, it must refuse itself: else the next door would, which knows no /ingest.
        return Route("/ingest/{source}", self.answer, methods=[*_TAKEN, "PUT", "PATCH", "DELETE", "OPTIONS"])

    async def answer(self, request: Request) -> Response:
        """One request of a store."""
        name = request.path_params["source"]
        try:
            return await self._admit(name, request)
        except NotDecodable as fault:
            refused = Refused(400, "NotDecodable", fault.reason)
            return self._refuse(name, refused, place=fault.place)
        except Refused as refused:
            return self._refuse(name, refused)

    def _refuse(self, name: str, refused: Refused, *, place: str = "") -> Response:
        self._on_refused(name if name in self._senders else "", refused.reason)
        log.warning("notification.refused", source=name, reason=refused.reason, detail=refused.detail, place=place)
        fault = Fault(code=refused.reason, message=refused.detail, field=place)
        answer = refusal(refused.status, [fault], **({"place": place} if place else {}))
        answer.headers.update(refused.headers)
        return answer

    async def _admit(self, name: str, request: Request) -> Response:
        if request.method not in _TAKEN:
            raise Refused(405, "MethodNotAllowed", "notifications come by POST", headers={"Allow": ", ".join(_TAKEN)})
        sender = self._senders.get(name)
        if sender is None:
            known = ", ".join(sorted(self._senders))
            raise Refused(404, "NoSuchSource", f"there is no ingest source {name!r}; known: {known}")
        if request.method == "HEAD":  # MinIO asks so whether anybody is there, without its token
            return Response()
        if sender.token is None and sender.guard is None and (page := page_from_elsewhere(request.headers)):
            detail = f"{page} may not send notifications: give source {name!r} a token or auth"
            raise Refused(403, "OriginNotAllowed", detail)
        if sender.token is not None and not carries(request.headers.get("authorization", ""), sender.token):
            raise Refused(401, "Unauthorized", f"source {name!r} needs its token in Authorization", headers=_CHALLENGE)
        if request.method != "POST":
            return json_response(200, {"source": name, "dialect": sender.source.dialect})
        body = await self._body(request)
        if sender.guard is not None:
            await sender.guard.check(_posted(request, body))
        return await self._accept(sender, request, body)

    async def _body(self, request: Request) -> bytes:
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._body_bytes:
                    raise self._too_large()
        except ClientDisconnect:
            raise Refused(400, "IncompleteBody", "the connection ended before the body did") from None
        return bytes(body)

    def _too_large(self) -> Refused:
        detail = f"a notification may have {self._body_bytes} bytes at most; send fewer records at a time"
        return Refused(413, "TooLarge", detail)

    async def _accept(self, sender: Sender, request: Request, body: bytes) -> Response:
        try:
            taken = await self._ingest.accept(sender.source, request.headers, body)
        except BackendUnavailable as fault:
            wait = {"Retry-After": str(fault.retry_after_seconds)}
            raise Refused(
                503, "ServiceUnavailable", f"nothing was kept, send it again: {fault}", headers=wait
            ) from fault
        match taken:
            case Confirmation(kind="jd", answer=echo):
                return Response(echo, media_type="text/plain")
            case Confirmation():
                return await _subscribe(sender, taken)
            case Receipt():
                return json_response(200, _told(taken))


def _posted(request: Request, body: bytes) -> Posted:
    target = request.scope["raw_path"].decode("ascii")
    if query := request.scope["query_string"].decode("ascii"):
        target = f"{target}?{query}"
    return Posted(request.method, target, request.headers, body)


async def _subscribe(sender: Sender, asked: Confirmation) -> Response:
    """Confirm a subscription to SNS where its signature was checked; else leave that to a person."""
    if isinstance(sender.guard, SnsGuard):
        await sender.guard.confirm(asked.topic, asked.url)
        log.info("subscription.confirmed", source=sender.source.name, topic=asked.topic)
        return json_response(200, {"confirmed": asked.topic})
    log.warning(
        "subscription.to_confirm",
        source=sender.source.name,
        topic=asked.topic,
        url=asked.url,
        advice="if this topic is yours, open the URL, or give the source auth of kind sns with this topic",
    )
    return json_response(200, {"confirm": asked.url, "topic": asked.topic})


def _told(taken: Receipt) -> dict[str, object]:
    return {
        "events": taken.events,
        "deliveries": taken.deliveries,
        "duplicates": taken.duplicates,
        "ignored": list(taken.ignored),
    }
