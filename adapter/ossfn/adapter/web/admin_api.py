"""The JSON API under `/api/v1`: everything a person, a script or the console may ask of a running service."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from ossfn.adapter.backend import History
from ossfn.adapter.web import api_deliveries, api_explain, api_functions, api_rules, api_targets
from ossfn.adapter.web.api_faults import Problem, answer_faults
from ossfn.adapter.web.api_guard import Guard, Token
from ossfn.adapter.web.api_parts import Parts
from ossfn.functions.service import Functions
from ossfn.trigger_registry.registry import Registry

_PROBLEM = {
    "description": "Refused; `faults` says why and what to do",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def admin_app(*, registry: Registry, functions: Functions, history: History, tokens: Sequence[Token] = ()) -> ASGIApp:
    """The API as an ASGI app. With tokens every request must bear one; without, only this machine is answered."""
    app = FastAPI(
        title="ossfn",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses={"4XX": _PROBLEM, "5XX": _PROBLEM},
    )
    app.state.parts = Parts(registry, functions, history)
    routers = [part.router for part in (api_functions, api_rules, api_deliveries, api_targets, api_explain)]
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes]
    answer_faults(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the way that FastAPI documents
    return Guard(app, tokens=tokens)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, and in it what refusals look like."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version="1", routes=app.routes)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        app.openapi_schema = document
    return app.openapi_schema
