"""Asks the JSON API, in this process, in the name of whoever looks at a page: the console may do no more than they."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp


class Refused(Exception):
    """The API said no; `problem` is its answer (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem["detail"]))
        self.status = status
        self.problem = problem

    @property
    def faults(self) -> list[dict[str, Any]]:
        """Everything that is wrong, at least one thing."""
        return list(self.problem["faults"])


class Api:
    """The API as one visitor may use it."""

    def __init__(self, app: ASGIApp, secret: str, visitor: Headers) -> None:
        """`secret` is the visitor's token; without one the API looks at the Host and Origin that they sent."""
        headers = {name: visitor[name] for name in ("host", "origin") if name in visitor}
        if secret:
            headers["authorization"] = f"Bearer {secret}"
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://console", headers=headers)

    async def get(self, *path: str, **query: str | int | None) -> Any:
        """What stands there; parameters that are None or empty are left out. Raises Refused."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return _content(await self._http.get(_url(path), params=given))

    async def send(
        self,
        method: str,
        *path: str,
        json: object = None,
        content: bytes | None = None,
        generation: str = "",
        **query: str,
    ) -> Any:
        """Change something; `generation` is the one that the bucket must still have. Raises Refused."""
        headers = {"content-type": "application/json"} if json is not None or content is not None else {}
        if generation:
            headers["if-match"] = f'"{generation}"'
        body = content if json is None else orjson.dumps(json)
        return _content(await self._http.request(method, _url(path), params=query, content=body, headers=headers))


def _url(path: tuple[str, ...]) -> str:
    """The last part may end in a verb, such as `:pause`, whose colon is no part of a name."""
    return "/api/v1/" + "/".join(quote(part, safe=":") for part in path)


def _content(answer: httpx.Response) -> Any:
    if answer.is_success:
        return orjson.loads(answer.content) if answer.content else None
    raise Refused(answer.status_code, orjson.loads(answer.content))
