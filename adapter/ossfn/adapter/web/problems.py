"""Refusals as RFC 9457 problem+json, and plain JSON answers."""

from http import HTTPStatus

import orjson
from starlette.responses import Response


def json_response(status: int, content: object) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def problem(status: int, code: str, detail: str, **more: object) -> Response:
    """What is wrong and what to do; `code` is stable, `detail` is for people, `title` the status in words."""
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **more}
    return Response(orjson.dumps(content), status, media_type="application/problem+json")
