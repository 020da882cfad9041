"""Consent that comes later: the link of a CloudEvents handshake, opened by the callback or by a person for it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ossfn.adapter.backend import BackendUnavailable
from ossfn.adapter.verification import GRANT_PATH
from ossfn.adapter.web.api_faults import simple


def grant_route(granted: Callable[[str, str], Awaitable[bool]]) -> Route:
    """The route; `granted` takes the callback's URL and the link's key, and says whether they belong together."""

    async def grant(request: Request) -> Response:
        url = request.query_params.get("callback", "")
        try:
            known = await granted(url, request.path_params["key"])
        except BackendUnavailable as fault:
            return simple(503, "ServiceUnavailable", str(fault))
        if not known:
            return PlainTextResponse("This link is not one of ours, or not whole.\n", 404)
        return PlainTextResponse(f"Thank you. Events for {url} are sent from now on.\n")

    return Route(f"{GRANT_PATH}/{{key}}", grant, methods=["GET", "POST"])
