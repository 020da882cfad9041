"""Tries a function out: sends it one request of the caller's making and gives back the whole answer."""

import time
from typing import Annotated

import httpx
import orjson
from pydantic import Field

from ossfn.adapter.connection import Keep
from ossfn.adapter.transport import KeepAliveTransport
from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_shapes import Shape
from ossfn.functions.service import Functions

_ANSWER_BYTES = 1024 * 1024
_GRACE_SECONDS = 10.0
"""The function's own host stops it at its limit and answers; a little later we stop waiting for that answer."""


class Invocation(Shape):
    """What the function answered."""

    status: int
    headers: dict[str, str]
    body: str
    """Bytes that are not UTF-8 stand as U+FFFD."""
    truncated: bool
    """Whether there was more than the 1 MiB of `body`."""
    seconds: Annotated[float, Field(ge=0)]


async def invoke(functions: Functions, name: str, body: bytes) -> Invocation:
    """Post JSON to the function, as a structured CloudEvent when it is one. Raises NoSuchFunction and ApiError."""
    kind = _content_type(body)
    functions.get(name)
    request = _request(functions.address_of(name) or "", body, kind)
    seconds = (functions.timeout_of(name) or 0) + _GRACE_SECONDS
    request.extensions["timeout"] = httpx.Timeout(seconds).as_dict() | {"total": seconds}
    return await _sent(name, request)


def _content_type(body: bytes) -> str:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "InvalidRequest", f"The body is not JSON: {error}", field="body") from None
    is_event = isinstance(content, dict) and "specversion" in content
    return "application/cloudevents+json" if is_event else "application/json"


def _request(address: str, body: bytes, kind: str) -> httpx.Request:
    hosted = address.startswith("unix:")
    return httpx.Request(
        "POST",
        "http://localhost/" if hosted else address,
        headers={"Content-Type": kind},
        content=body,
        extensions={"guarded": False} | ({"unix_socket": address.removeprefix("unix:")} if hosted else {}),
    )


async def _sent(name: str, request: httpx.Request) -> Invocation:
    start = time.perf_counter()
    transport = KeepAliveTransport(keep=Keep(_ANSWER_BYTES, _ANSWER_BYTES))
    async with transport:
        try:
            answer = await transport.handle_async_request(request)
        except httpx.TransportError as error:
            advice = "Its log says more." if "unix_socket" in request.extensions else "Is its URL right?"
            raise ApiError(502, "NoAnswer", f"{name} gave no answer: {error}", advice=advice) from error
        content = await answer.aread()
    return Invocation(
        status=answer.status_code,
        headers=dict(answer.headers),
        body=content.decode(errors="replace"),
        truncated=bool(answer.extensions["truncated"]),
        seconds=time.perf_counter() - start,
    )
