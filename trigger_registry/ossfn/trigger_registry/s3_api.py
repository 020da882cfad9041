"""The S3 notification API: the door through which boto3, aws cli, mc and their like read and write a bucket's rules."""

import asyncio
import re
from collections.abc import Callable, Iterable

from starlette import requests
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ossfn.trigger_registry.keys import KeyRing
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import Verification
from ossfn.trigger_registry.s3_door import Door, Reply
from ossfn.trigger_registry.s3_errors import S3Error, render
from ossfn.trigger_registry.sigv4 import Request

ENDPOINT_HOSTS = (
    "localhost",
    r"s3(-internal)?\.[a-z0-9-]+\.jdcloud-oss\.com",
    r"s3([.-][a-z0-9-]+)?\.amazonaws\.com",
)
"""Host names, as regular expressions, in front of which a bucket's name may stand: `photos.localhost`."""

HOST_ID = "ossfn"


def s3_app(
    registry: Registry,
    keys: KeyRing,
    *,
    clock: Callable[[], float],
    new_request_id: Callable[[], str],
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    auto_create_buckets: bool = False,
    verification: Verification = "none",
    endpoint_hosts: Iterable[str] = ENDPOINT_HOSTS,
) -> Starlette:
    """The whole API, for a port of its own: it claims every path.

    `clock` gives Unix time in seconds, `new_request_id` 16 upper-case hex digits. With `auto_create_buckets` a first
    `PUT ?notification` makes its bucket, owned by the caller. `verification` is how the callbacks of new rules are
    asked whether they want events: documents do not say. `endpoint_hosts` are regular expressions of host names
    in front of which a bucket's name may stand; under every other name the bucket stands in the path.
    """
    hosts = re.compile(rf"(?:(?P<bucket>.+)\.)?(?:{'|'.join(endpoint_hosts)})", re.IGNORECASE)
    door = Door(registry, keys, clock, auto_create_buckets, verification, hosts)
    endpoint = _Endpoint(door, new_request_id, limits.document_bytes)
    return Starlette(
        routes=[Route("/{path:path}", endpoint)],
        exception_handlers={404: endpoint.not_routed, Exception: endpoint.broken},
    )


class _Endpoint:
    """The asynchronous rim: takes a request in, lets the door answer it in a thread, and gives the answer its ids."""

    def __init__(self, door: Door, new_request_id: Callable[[], str], body_bytes: int) -> None:
        self._door = door
        self._new_request_id = new_request_id
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await self._received(scope, receive)
            reply = await asyncio.to_thread(self._door.answer, request)
            response = _response(reply, self._new_request_id())
        except S3Error as error:
            response = self._refusal(scope, error)
        await response(scope, receive, send)

    async def not_routed(self, request: requests.Request, error: Exception) -> Response:
        """The answer to a path with a line break, which no route takes: an object's at best."""
        return self._refusal(request.scope, S3Error("NotImplemented"))

    async def broken(self, request: requests.Request, error: Exception) -> Response:
        """The answer to a bug of ours; whoever serves the app logs it."""
        return self._refusal(request.scope, S3Error("InternalError"))

    def _refusal(self, scope: Scope, error: S3Error) -> Response:
        request_id = self._new_request_id()
        resource = scope["raw_path"].decode("latin-1")
        body = render(error, resource=resource, request_id=request_id, host_id=HOST_ID)
        return _response(Reply(b"" if scope["method"] == "HEAD" else body, error.status, error.headers), request_id)

    async def _received(self, scope: Scope, receive: Receive) -> Request:
        return Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            await self._body(requests.Request(scope, receive)),
        )

    async def _body(self, request: requests.Request) -> bytes:
        too_big = S3Error("MaxMessageLengthExceeded", fields=[("MaxMessageLengthBytes", str(self._body_bytes))])
        # What says beforehand that it is too long is not even asked for (Expect: 100-continue).
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._body_bytes:
            raise too_big
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._body_bytes:
                    raise too_big
        except ClientDisconnect:
            raise S3Error("IncompleteBody") from None
        return bytes(body)


def _response(reply: Reply, request_id: str) -> Response:
    headers = {"x-amz-request-id": request_id, "x-amz-id-2": HOST_ID, **dict(reply.headers)}
    return Response(reply.body, reply.status, headers, "application/xml" if reply.body else None)
