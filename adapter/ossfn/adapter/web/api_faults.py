"""Every refusal of the API as RFC 9457 problem+json, whoever raised it; and what its faults look like."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import Field, field_validator
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from ossfn.adapter.backend import BackendUnavailable
from ossfn.adapter.web.api_shapes import Shape
from ossfn.adapter.web.problems import problem
from ossfn.functions.errors import DeployRefused, FunctionError, FunctionRefused
from ossfn.trigger_registry import errors as registry

_RETRY_AFTER_SECONDS = 5
_SHOWN = 200
"""Characters of a wrong value that a fault repeats."""


class _Words(Shape):
    """Texts that can be sent, whatever was in the request: half a surrogate pair is written as an escape."""

    @field_validator("*", mode="before")
    @classmethod
    def _sendable(cls, value: object) -> object:
        return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class Argument(_Words):
    """One of S3's ArgumentName/ArgumentValue pairs."""

    name: str
    value: str


class Fault(_Words):
    """One thing that is wrong. What does not apply is empty."""

    code: str
    message: str
    field: str = ""
    """Where in the request: `rules[2].prefix`."""
    value: str = ""
    """What was given, cut to 200 characters."""
    advice: str = ""
    """What to do instead."""
    limit: str = ""
    """The name of the limit that was broken."""
    rule: str = ""
    other_rule: str = ""
    """The rule that clashes with `rule`."""
    witness: str | None = None
    """A key that both rules would take."""
    arguments: list[Argument] = Field(default_factory=list)


class Problem(Shape):
    """RFC 9457; `code` is stable and for programs, `detail` for people, `faults` hold everything that is wrong."""

    type: str
    title: str
    """The status in words."""
    status: int
    code: str
    detail: str
    faults: list[Fault]
    users: list[str] = Field(default_factory=list)
    """409: what still hangs on it."""
    tail: list[str] = Field(default_factory=list)
    """A function that does not start: what it wrote last."""


class ApiError(Exception):
    """A refusal that only this door knows."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.fault = Fault(code=code, message=message, field=field, advice=advice)


def shown(value: object) -> str:
    """A value as a fault repeats it: as the JSON that it was, not without end."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def refusal(status: int, faults: Sequence[Fault], **more: object) -> Response:
    """The answer that carries these faults."""
    detail = "\n".join(fault.message for fault in faults)
    return problem(status, faults[0].code, detail, faults=[fault.model_dump() for fault in faults], **more)


def simple(status: int, code: str, message: str, advice: str = "") -> Response:
    """The answer for one thing that is wrong."""
    return refusal(status, [Fault(code=code, message=message, advice=advice)])


def answer_faults(app: FastAPI) -> None:
    """Make every exception that is meant for the client an answer."""
    handlers: Mapping[type[Exception], Callable[[Request, Any], Response]] = {
        ApiError: lambda _, error: refusal(error.status, [error.fault]),
        RequestValidationError: lambda _, error: invalid_request(error.errors()),
        HTTPException: _http,
        ClientDisconnect: lambda _, __: simple(400, "InvalidRequest", "The connection ended before the body did."),
        BackendUnavailable: lambda _, error: _unavailable(str(error), error.retry_after_seconds),
        FunctionError: _function_error,
        registry.RegistryError: _registry_error,
        Exception: lambda _, __: simple(500, "InternalError", "This is a fault of ossfn; its log says more."),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def invalid_request(errors: Sequence[Mapping[str, Any]]) -> Response:
    """A request whose parts have the wrong shape; `errors` as pydantic lists them."""
    return refusal(400, [_shape_fault(error) for error in errors])


def _shape_fault(error: Mapping[str, Any]) -> Fault:
    place, given = _place(error["loc"]), shown(error["input"])
    match error["type"]:
        case "json_invalid":
            reason = f"The body is not JSON: {error['ctx']['error']} at character {error['loc'][-1]}."
            return Fault(code="InvalidRequest", message=reason, field="body")
        case "missing":
            return Fault(code="InvalidRequest", message=f"{place} is missing.", field=place)
        case "extra_forbidden":
            advice = "Check its spelling; GET /api/v1/openapi.json lists all that is known."
            if error["loc"] == ("query", "next"):
                advice = "Give the `next` of one page as `before` to get the page behind it."
            return Fault(
                code="InvalidRequest", message=f"{place} is not known.", field=place, value=given, advice=advice
            )
        case _:
            message = error["msg"].removeprefix("Value error, ")
            return Fault(code="InvalidRequest", message=message, field=place, value=given)


def _place(location: Sequence[int | str]) -> str:
    """`('body', 'rules', 2, 'prefix')` as `rules[2].prefix`."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:])
    return shown(place.removeprefix(".") or str(location[0]))


def _http(request: Request, error: HTTPException) -> Response:
    """What the framework refuses by itself: an unknown path or method, a body that cannot be read."""
    match error.status_code:
        case 404:
            advice = "GET /api/v1/openapi.json lists every path."
            return simple(404, "NoSuchPath", f"There is no {request.url.path} here.", advice)
        case 405:
            allowed = ", ".join(_methods(request))
            answer = simple(405, "MethodNotAllowed", f"{request.method} is not possible here.", f"Use {allowed}.")
            answer.headers["Allow"] = allowed
            return answer
        case 413:
            return simple(413, "TooLarge", error.detail)
        case status:
            return simple(status, "InvalidRequest", error.detail, "Send the body as JSON in UTF-8.")


def _methods(request: Request) -> list[str]:
    """All methods of the path: the framework names those of the first route alone."""
    routes: Sequence[APIRoute] = request.app.state.routes
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in matching for method in route.methods or ()})


def _registry_error(_: Request, error: registry.RegistryError) -> Response:
    match error:
        case registry.RuleRefused():
            return refusal(error.status, [_rule_fault(fault) for fault in error.faults])
        case registry.InUse():
            advice = "`users` lists them; a bucket or a function is deleted with them by ?cascade=true."
            fault = Fault(code=error.code, message=str(error), advice=advice)
            return refusal(error.status, [fault], users=error.users)
        case registry.NoSuchBucket():
            return simple(error.status, error.code, str(error), "PUT /api/v1/buckets/{bucket} makes one.")
        case registry.RegistryUnavailable():
            return _unavailable(str(error), _RETRY_AFTER_SECONDS)
        case _:
            return simple(error.status, error.code, str(error))


def _rule_fault(fault: registry.Fault) -> Fault:
    return Fault(
        code=fault.code,
        message=fault.message,
        field=fault.field,
        value=fault.value,
        advice=fault.advice,
        limit=fault.limit,
        rule=shown(fault.rule),
        other_rule=fault.other_rule,
        witness=fault.witness,
        arguments=[Argument(name=name, value=value) for name, value in fault.arguments],
    )


def _function_error(_: Request, error: FunctionError) -> Response:
    match error:
        case FunctionRefused():
            faults = [Fault(code=error.code, message=f.message, field=f.field) for f in error.faults]
            return refusal(error.status, faults)
        case DeployRefused():
            fault = Fault(code=error.code, message=error.reason, advice="`tail` holds what it wrote last.")
            return refusal(error.status, [fault], tail=error.tail)
        case _:
            return simple(error.status, error.code, str(error))


def _unavailable(reason: str, retry_after_seconds: int) -> Response:
    answer = simple(503, "ServiceUnavailable", reason, "Nothing was changed; try again.")
    answer.headers["Retry-After"] = str(retry_after_seconds)
    return answer
