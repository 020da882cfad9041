"""`@object_event`: turns a function of an ObjectEvent into what functions-framework serves."""

import math
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, NoReturn, TypeVar, cast

import functions_framework

from ossfn.functions.kit.answers import Drop, RetryLater
from ossfn.functions.kit.events import ObjectEvent

Result = TypeVar("Result")


def object_event(handler: Callable[[ObjectEvent], Result]) -> Callable[[ObjectEvent], Result]:
    """Serve `handler`, sync or async, with each object event as an ObjectEvent.

    RetryLater and Drop decide what becomes of the event; any other exception lets it come again after a while. Called
    with an ObjectEvent, as in a test, it is the plain handler.
    """
    if iscoroutinefunction(handler):
        return cast("Callable[[ObjectEvent], Result]", _async(handler))
    return cast("Callable[[ObjectEvent], Result]", _sync(handler))


def _sync(handler: Callable[[ObjectEvent], object]) -> Any:
    @wraps(handler)
    def run(event: Any) -> object:
        if isinstance(event, ObjectEvent):
            return handler(event)
        try:
            return handler(ObjectEvent.read(event))
        except (RetryLater, Drop) as answer:
            _answer_flask(answer)

    return functions_framework.cloud_event(cast("Any", run))


def _async(handler: Callable[[ObjectEvent], Coroutine[Any, Any, object]]) -> Any:
    from functions_framework import aio

    @wraps(handler)
    async def run(event: Any) -> object:
        if isinstance(event, ObjectEvent):
            return await handler(event)
        try:
            return await handler(ObjectEvent.read(event))
        except (RetryLater, Drop) as answer:
            _answer_starlette(answer)

    return aio.cloud_event(cast("Any", run))


def _answer_flask(answer: RetryLater | Drop) -> NoReturn:
    import flask

    status, headers = _status(answer)
    flask.abort(flask.Response(str(answer), status, headers))


def _answer_starlette(answer: RetryLater | Drop) -> NoReturn:
    from starlette.exceptions import HTTPException

    status, headers = _status(answer)
    raise HTTPException(status, str(answer), headers) from answer


def _status(answer: RetryLater | Drop) -> tuple[int, dict[str, str]]:
    match answer:
        case RetryLater():
            return 503, {"Retry-After": str(max(0, math.ceil(answer.seconds)))}
        case Drop():
            return 422, {}
