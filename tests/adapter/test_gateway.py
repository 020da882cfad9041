"""Requests to functions through `/functions/{name}`: real hosts behind it, and whoever may not pass before it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from ossfn.adapter.web.api_guard import Token
from ossfn.adapter.web.gateway import BODY_BYTES, gateway_route
from ossfn.functions.bundle import pack
from ossfn.functions.service import Functions

pytestmark = pytest.mark.slow

ECHO = dedent("""
    import flask, functions_framework, os, time

    @functions_framework.http
    def echo(request):
        if request.path == "/large":
            return b"x" * int(request.args["bytes"])
        if request.path == "/hang":
            time.sleep(20)
        if request.path == "/none":
            return "", 204
        told = {
            "method": request.method, "path": request.environ["RAW_URI"], "body": request.get_data(as_text=True),
            "headers": {name.lower(): value for name, value in request.headers.items()}, "pid": os.getpid(),
        }
        answer = flask.make_response(flask.jsonify(told), 418)
        answer.headers.add("Set-Cookie", "a=1")
        answer.headers.add("Set-Cookie", "b=2")
        return answer
""")


@pytest.fixture
async def functions(tmp_path: Path) -> AsyncIterator[Functions]:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "main.py").write_text(ECHO)
    async with Functions(tmp_path / "data") as opened:
        await opened.deploy("echo", pack(tmp_path / "echo"), {"timeout_seconds": 2, "concurrency": 1})
        yield opened


@pytest.fixture
def client(functions: Functions) -> Callable[..., httpx.AsyncClient]:
    def make(*tokens: Token) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(Starlette(routes=[gateway_route(functions, tokens=tokens)]))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:8450", timeout=30)

    return make


async def test_it_passes_on_whatever_comes(client: Callable[..., httpx.AsyncClient]) -> None:
    async with client() as http:
        answer = await http.request(
            "PATCH",
            "/functions/echo/a%2Fb/%E5%9B%BE+1?x=%20y&x=z",
            content=b"text",
            headers={
                "content-type": "text/plain", "x-mine": "1", "connection": "close, x-hop", "x-hop": "1",
                "te": "trailers", "x-forwarded-for": "6.6.6.6", "authorization": "Basic mine", "cookie": "c=1",
            },
        )  # fmt: skip
    told = answer.json()
    assert answer.status_code == 418
    assert (told["method"], told["path"], told["body"]) == ("PATCH", "/a%2Fb/%E5%9B%BE+1?x=%20y&x=z", "text")
    headers = told["headers"]
    assert (headers["x-mine"], headers["authorization"], headers["cookie"]) == ("1", "Basic mine", "c=1")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert (headers["x-forwarded-host"], headers["x-forwarded-proto"]) == ("localhost:8450", "http")
    assert {"x-hop", "te"}.isdisjoint(headers)


async def test_it_passes_back_all_but_what_is_of_the_hop(client: Callable[..., httpx.AsyncClient]) -> None:
    async with client() as http:
        for path in ("/functions/echo", "/functions/echo/"):
            answer = await http.get(path)
            assert answer.json()["path"] == "/"
            assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
            assert {"connection", "date", "transfer-encoding"}.isdisjoint(answer.headers)
        head = await http.head("/functions/echo")
        assert int(head.headers["content-length"]) > 100
        none = await http.get("/functions/echo/none")
        assert (none.status_code, "content-length" in none.headers) == (204, False)


async def test_large_bodies_end_somewhere(client: Callable[..., httpx.AsyncClient]) -> None:
    async with client() as http:
        full = await http.get("/functions/echo/large", params={"bytes": BODY_BYTES})
        assert len(full.content) == BODY_BYTES
        more = await http.get("/functions/echo/large", params={"bytes": BODY_BYTES + 1})
        assert (more.status_code, more.json()["code"]) == (502, "TooLarge")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(BODY_BYTES // 1024 + 1):
                yield b"x" * 1024

        for content in (b"x" * (BODY_BYTES + 1), chunks()):
            refused: Any = await http.post("/functions/echo", content=content)
            assert (refused.status_code, refused.json()["code"]) == (413, "TooLarge")


async def test_a_handler_that_hangs_is_stopped_and_that_is_said(client: Callable[..., httpx.AsyncClient]) -> None:
    async with client() as http:
        answer = await http.get("/functions/echo/hang")
        assert answer.status_code in (500, 502)
        assert (await http.get("/functions/echo")).status_code == 418


async def test_who_may_not_use_the_api_may_not_call_functions(
    client: Callable[..., httpx.AsyncClient], functions: Functions
) -> None:
    async with client(Token("ci", "s3cret"), Token("look", "read", may_write=False)) as http:
        assert (await http.get("/functions/echo")).status_code == 401
        bearer = {"authorization": "Bearer s3cret"}
        told = (await http.post("/functions/echo", headers=bearer)).json()
        assert "authorization" not in told["headers"]
        reader = {"authorization": "Bearer read"}
        assert (await http.post("/functions/echo", headers=reader)).status_code == 403
        # A function does what it likes with a GET too.
        assert (await http.get("/functions/echo", headers=reader)).status_code == 403
    async with client() as http:
        assert (await http.post("/functions/echo", headers={"origin": "http://evil.example"})).status_code == 403
        assert (await http.post("/functions/echo", headers={"host": "evil.example"})).status_code == 403
        for site, status in (("cross-site", 403), ("same-site", 403), ("none", 418)):
            assert (await http.get("/functions/echo", headers={"sec-fetch-site": site})).status_code == status
        none = await http.get("/functions/other")
        assert (none.status_code, none.json()["code"]) == (404, "NoSuchFunction")
        await functions.deploy_remote("away", "http://127.0.0.1:1/base/")
        away = await http.get("/functions/away/x")
        assert (away.status_code, away.json()["code"]) == (502, "NoAnswer")
