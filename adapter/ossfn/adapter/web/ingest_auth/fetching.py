"""Fetching what a sender's request points to, through the same guard against internal addresses as callbacks."""

from collections.abc import Awaitable, Callable

import httpx

from ossfn.adapter.transport import KeepAliveTransport

Fetch = Callable[[str], Awaitable[bytes]]
"""The body at a URL; raises CannotFetch."""

_LONGEST_URL = 2048
_TIMES = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0, "total": 10.0}


class CannotFetch(Exception):
    """Nothing came, or not what was asked for."""


def fetch_through(transport: KeepAliveTransport) -> Fetch:
    """Fetch through this transport: bounded in time and size, no redirects."""

    async def fetch(url: str) -> bytes:
        try:
            answer = await transport.handle_async_request(httpx.Request("GET", url, extensions={"timeout": _TIMES}))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise CannotFetch(str(error)) from error
        if answer.status_code != 200 or answer.extensions["truncated"]:
            raise CannotFetch(f"{url} answered {answer.status_code}, or more than is read")
        return await answer.aread()

    return fetch


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, spelled so that they compare; raises CannotFetch when it is none to visit."""
    if len(url) > _LONGEST_URL:
        raise CannotFetch(f"a URL of more than {_LONGEST_URL} characters")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CannotFetch(f"{url!r} is no URL") from error
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
