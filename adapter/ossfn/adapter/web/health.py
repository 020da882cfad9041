"""Is it alive, does it accept, what has it done: `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, request_response

from ossfn.adapter.backend import BackendUnavailable
from ossfn.adapter.metrics import Metrics
from ossfn.adapter.web.api_faults import simple
from ossfn.adapter.web.api_guard import Guard, Token


def health_routes(metrics: Metrics, why_not_ready: Callable[[], str], *, tokens: Sequence[Token]) -> list[Route]:
    """The three routes. `why_not_ready` answers with nothing when notifications are accepted.

    Metrics name targets and sources, so they are for whoever may read the API; the other two are open to probes.
    """

    async def alive(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        reason = why_not_ready()
        return PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200)

    async def scrape(_: Request) -> Response:
        try:
            text = await metrics.render(ready=not why_not_ready())
        except BackendUnavailable as fault:
            return simple(503, "ServiceUnavailable", str(fault))
        return Response(text, media_type="text/plain; version=1.0.0; charset=utf-8")

    guarded = Guard(request_response(scrape), tokens=tokens)
    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", guarded, methods=["GET"])]
