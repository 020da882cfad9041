"""Functions through the JSON API: remote ones against a real server, a hosted one under functions-framework."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ossfn.functions.bundle import pack
from ossfn.trigger_registry.rules import FunctionRef, KeyFilter, Rule

from .conftest import Api, a_registry, problem

ECHO = """
import os
import functions_framework

@functions_framework.http
def answer(request):
    print("called as", os.environ["CALLED"])
    return {"type": request.content_type, "version": VERSION}
"""


@asynccontextmanager
async def a_function(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The URL of a server that gives one answer to everything, and the requests that it gets."""
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        requests.append(head + await reader.readexactly(int(length.split(b":")[1])))
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/call?me=1", requests


async def a_remote(api: Api, url: str = "https://functions.example.com/thumbs", **more: Any) -> dict[str, Any]:
    answer = await api.http.put("/api/v1/functions/thumbs", json={"url": url, **more})
    assert answer.is_success, answer.text
    description: dict[str, Any] = answer.json()
    return description


async def a_trigger(api: Api) -> None:
    await api.ask("PUT", "/buckets/photos", {}, status=201)
    rule = {"name": "images", "events": ["s3:ObjectCreated:*"], "prefix": "in/", "target": {"function": "thumbs"}}
    await api.ask("POST", "/buckets/photos/rules", rule, status=201)


async def test_a_remote_function_is_named_changed_and_listed(api: Api) -> None:
    url = "https://functions.example.com/thumbs"
    made = await api.ask("PUT", "/functions/thumbs", {"url": url}, status=201)
    assert made.headers["location"] == "/api/v1/functions/thumbs"
    known = {name: made.json()[name] for name in ("name", "kind", "state", "url", "version", "region", "serving")}
    assert known == {
        "name": "thumbs", "kind": "remote", "state": "remote", "url": url, "version": None, "region": "cn-north-1",
        "serving": None,
    }  # fmt: skip
    assert (await a_remote(api, concurrency=3, timeout_seconds=5))["concurrency"] == 3
    assert (await api.get("/functions"))["functions"] == [await api.get("/functions/thumbs")]
    assert (await api.get("/functions/thumbs/versions")) == {"versions": [], "aliases": {}}
    assert (await api.get("/functions/thumbs/logs")) == {"lines": []}
    await api.ask("DELETE", "/functions/thumbs", status=204)
    assert (await api.refused("GET", "/functions/thumbs", status=404)).code == "NoSuchFunction"


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("thumbs", {}, "url"),
        ("thumbs", {"url": 5}, "url"),
        ("thumbs", {"url": "ftp://a"}, "url"),
        ("thumbs", {"url": "https://a", "memory_mb": 64}, "memory_mb"),
        ("thumbs", {"url": "https://a", "timeout_seconds": 301}, "timeout_seconds"),
        ("1thumbs", {"url": "https://a"}, "name"),
        ("thumbs", ["https://a"], "body"),
    ],
)
async def test_a_remote_function_that_cannot_be_is_refused(api: Api, name: str, body: Any, field: str) -> None:
    assert [fault.field for fault in (await api.refused("PUT", f"/functions/{name}", body)).faults] == [field]
    assert not api.functions.list()


async def test_options_in_the_query_count_for_a_remote_function_too(api: Api) -> None:
    body = {"url": "https://a.example.com"}
    assert (await api.ask("PUT", "/functions/thumbs?concurrency=7", body, status=201)).json()["concurrency"] == 7
    assert (await api.refused("PUT", "/functions/thumbs?memory_mb=64", body)).faults[0].field == "memory_mb"
    assert (await api.refused("PUT", "/functions/thumbs?cocurrency=7", body)).faults[0].field == "cocurrency"


async def test_triggers_are_counted_against_their_limit(api: Api) -> None:
    await a_remote(api)
    assert await api.get("/functions/thumbs/triggers") == {"limit": 10, "count": 0, "triggers": []}
    await a_trigger(api)
    trigger = {
        "bucket": "photos", "rule": "images", "events": ["s3:ObjectCreated:*"], "prefix": "in/", "suffix": "",
        "enabled": True,
    }  # fmt: skip
    assert await api.get("/functions/thumbs/triggers") == {"limit": 10, "count": 1, "triggers": [trigger]}
    await api.refused("GET", "/functions/other/triggers", status=404)


async def test_a_trigger_that_another_process_made_counts_at_once(api: Api) -> None:
    await a_remote(api)
    other = a_registry(api.folder, api.functions, api.clock)
    other.put_bucket("photos", actor="other")
    rule = Rule("images", ("s3:ObjectCreated:*",), KeyFilter(), (FunctionRef("thumbs"),))
    other.put_rule("photos", rule, actor="other")
    other.close()
    assert (await api.refused("DELETE", "/functions/thumbs", status=409)).users == ["photos/images"]


async def test_a_function_with_triggers_is_deleted_only_with_them(api: Api) -> None:
    await a_remote(api)
    await a_trigger(api)
    refused = await api.refused("DELETE", "/functions/thumbs", status=409)
    assert refused.users == ["photos/images"]
    assert api.functions.list()
    await api.ask("DELETE", "/functions/thumbs?cascade=true", status=204)
    assert not api.functions.list()
    assert not api.registry.bucket("photos").rules


@pytest.mark.parametrize(
    ("body", "kind"),
    [({"specversion": "1.0", "id": "1"}, b"application/cloudevents+json"), ({"key": "a"}, b"application/json")],
)
async def test_a_function_is_tried_out(api: Api, body: Any, kind: bytes) -> None:
    answer = b"HTTP/1.1 418 I'm a teapot\r\nX-Mark: 1\r\nContent-Length: 6\r\n\r\nh\xc3\xa9llo"
    async with a_function(answer) as (url, requests):
        await a_remote(api, url)
        answered = (await api.ask("POST", "/functions/thumbs:invoke", body)).json()
    assert (answered["status"], answered["body"], answered["truncated"]) == (418, "héllo", False)
    assert answered["headers"]["x-mark"] == "1"
    assert 0 < answered["seconds"] < 5
    head, _, sent = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /call?me=1 HTTP/1.1\r\n")
    assert b"content-type: " + kind + b"\r\n" in head.lower()
    assert json.loads(sent) == body


async def test_a_function_without_an_answer_is_a_bad_gateway(api: Api) -> None:
    async with a_function(b"") as (url, _):
        await a_remote(api, url)
        assert (await api.refused("POST", "/functions/thumbs:invoke", {}, status=502)).code == "NoAnswer"
    await api.refused("POST", "/functions/other:invoke", {}, status=404)


async def test_only_hosted_functions_have_versions_to_go_back_to(api: Api) -> None:
    await a_remote(api)
    assert (await api.refused("POST", "/functions/thumbs:rollback", {"version": 1}, status=409)).code == "WrongKind"


async def put_zip(api: Api, folder: Path, version: object, query: str = "?entry_point=answer&env=CALLED=me=2") -> Any:
    (folder / "main.py").write_text(ECHO.replace("VERSION", str(version)))
    headers = {"Content-Type": "application/zip"}
    return await api.http.put(f"/api/v1/functions/thumbs{query}", content=pack(folder), headers=headers)


@pytest.mark.slow
async def test_a_function_is_deployed_tried_out_rolled_back_and_removed(api: Api, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    made = await put_zip(api, folder, 1)
    assert made.status_code == 201, made.text
    assert (made.json()["state"], made.json()["version"]) == ("ready", 1)
    assert (made.json()["serving"]["entry_point"], made.json()["serving"]["env"]) == ("answer", ["CALLED"])
    second = await put_zip(api, folder, 2)
    assert (second.status_code, second.json()["version"]) == (200, 2)
    answered = (await api.ask("POST", "/functions/thumbs:invoke", {"specversion": "1.0"})).json()
    assert json.loads(answered["body"]) == {"type": "application/cloudevents+json", "version": 2}
    broken = await put_zip(api, folder, "1 +")
    assert (broken.status_code, problem(broken).code) == (400, "InvalidFunction")
    failing = await put_zip(api, folder, "1}\nraise SystemExit('no luck')\nx = {'a': 1")
    assert (failing.status_code, problem(failing).code) == (422, "DeployRefused")
    assert any("no luck" in line for line in problem(failing).tail)
    back = await api.ask("POST", "/functions/thumbs:rollback")
    assert back.json()["version"] == 1
    assert [version["number"] for version in (await api.get("/functions/thumbs/versions"))["versions"]] == [2, 1]
    lines = (await api.get("/functions/thumbs/logs?lines=500"))["lines"]
    assert "called as me=2" in [line["text"] for line in lines]
    assert "me=2" not in (await api.ask("GET", "/functions")).text
    await api.ask("DELETE", "/functions/thumbs", status=204)


@pytest.mark.parametrize("query", ["?env=NAME", "?memory_mb=much", "?timeout_seconds=0"])
async def test_code_with_options_that_cannot_be_is_refused(api: Api, tmp_path: Path, query: str) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    refused = await put_zip(api, folder, 1, query)
    assert (refused.status_code, problem(refused).faults[0].field) == (400, query[1:].partition("=")[0])


async def test_what_is_no_zip_is_refused(api: Api) -> None:
    headers = {"Content-Type": "application/zip"}
    answer = await api.http.put("/api/v1/functions/thumbs", content=b"PK no", headers=headers)
    assert (answer.status_code, problem(answer).code) == (400, "InvalidFunction")
