"""Who may speak to the JSON API, how much they may say, and that every refusal is a problem."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message

from ossfn.adapter.web.admin_api import admin_app
from ossfn.adapter.web.api_guard import Token
from ossfn.functions.bundle import ZIPPED_BYTES

from .conftest import Api, client, problem

TOKEN = "a token, ü"


@pytest.fixture
async def guarded(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same API behind a token, under a name that is not this machine's."""
    app = admin_app(
        registry=api.registry,
        functions=api.functions,
        history=api.backend,
        tokens=[Token("ann", TOKEN), Token("eve", "read", may_write=False)],
    )
    async with client(app, base_url="http://ossfn.example.com") as http:
        yield http


async def test_without_its_token_nothing_is_answered(guarded: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    wrong = ("", "Bearer", "Bearer ", "Bearer a", "Basic a token", f"Token {TOKEN}")
    for path in ("/api/v1/stats", "/api/v1/openapi.json", "/api/v1/buckets/b", "/nothing"):
        for given in wrong:
            with subtests.test(path=path, given=given):
                answer = await guarded.get(path, headers={b"Authorization": given.encode()})
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
                assert problem(answer).code == "Unauthorized"
                assert TOKEN not in answer.text


async def test_with_its_token_any_host_is_answered(guarded: httpx.AsyncClient) -> None:
    headers = {b"Authorization": f"bearer  {TOKEN}".encode("latin-1"), b"Origin": b"https://elsewhere.example.com"}
    assert (await guarded.get("/api/v1/stats", headers=headers)).status_code == 200


async def test_a_token_that_may_only_read_changes_nothing(guarded: httpx.AsyncClient, api: Api) -> None:
    eve = {"Authorization": "Bearer read"}
    assert (await guarded.get("/api/v1/buckets", headers=eve)).status_code == 200
    for method, path in (("PUT", "/buckets/photos"), ("DELETE", "/buckets/photos"), ("POST", "/deliveries:redeliver")):
        answer = await guarded.request(method, f"/api/v1{path}", json={}, headers=eve)
        assert (answer.status_code, problem(answer).code) == (403, "ReadOnlyToken")
    assert api.registry.buckets() == []


async def test_the_history_names_the_token(guarded: httpx.AsyncClient, api: Api) -> None:
    headers = {b"Authorization": f"Bearer {TOKEN}".encode("latin-1")}
    await guarded.put("/api/v1/buckets/photos", json={"owner": "ann"}, headers=headers)
    assert [change.actor for change in api.registry.history("photos")] == ["ann"]
    taken = await guarded.put("/api/v1/buckets/photos", json={"owner": "bob"}, headers=headers)
    assert (taken.status_code, problem(taken).code) == (409, "BucketAlreadyExists")
    assert api.registry.bucket("photos").owner == "ann"


async def test_this_machine_is_answered_by_its_own_names(api: Api, subtests: pytest.Subtests) -> None:
    for host in ("localhost", "LOCALHOST:8450", "127.0.0.1:8450", "127.0.0.2", "[::1]:8450"):
        with subtests.test(host=host):
            await api.ask("GET", "/stats", host=host)
            await api.ask("GET", "/stats", host=host, origin=f"http://{host}")


async def test_a_name_that_only_resolves_to_this_machine_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    for host in ("evil.example.com", "localhost.evil.com", "10.0.0.1:8450", "", "[::1", "127.0.0.1.nip.io"):
        with subtests.test(host=host):
            assert (await api.refused("GET", "/stats", status=403, host=host)).code == "HostNotAllowed"


async def test_pages_from_elsewhere_are_refused(api: Api, subtests: pytest.Subtests) -> None:
    for origin in ("https://evil.example.com", "null", "http://localhost:9999", "http://[", ""):
        with subtests.test(origin=origin):
            refused = await api.refused("PUT", "/buckets/photos", {}, status=403, origin=origin)
            assert refused.code == "OriginNotAllowed"
    for site in ("cross-site", "same-site"):
        refused = await api.refused("GET", "/stats", status=403, sec_fetch_site=site)
        assert refused.code == "OriginNotAllowed"
    await api.ask("GET", "/stats", sec_fetch_site="same-origin")
    await api.ask("GET", "/stats", sec_fetch_site="none")
    assert not api.registry.buckets()


async def test_a_body_of_another_type_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        with subtests.test(kind=kind):
            headers = {"Content-Type": kind} if kind else {}
            answer = await api.http.put("/api/v1/buckets/photos", content=b"{}", headers=headers)
            assert (answer.status_code, problem(answer).code) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(("kind", "most"), [("application/json", 1024 * 1024), ("application/zip", ZIPPED_BYTES)])
async def test_a_body_that_announces_too_much_is_not_read(api: Api, kind: str, most: int) -> None:
    headers = {"Content-Type": kind, "Content-Length": str(most + 1)}
    answer = await api.http.put("/api/v1/functions/f", content=unread(), headers=headers)
    assert (answer.status_code, problem(answer).code) == (413, "TooLarge")


async def unread() -> AsyncIterator[bytes]:
    raise AssertionError("the body was asked for")
    yield b""


@pytest.mark.parametrize("path", ["/api/v1/buckets/photos", "/api/v1/functions/f"])
async def test_a_body_that_turns_out_too_long_is_refused(api: Api, path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65536
        raise AssertionError("it was read on")

    answer = await api.http.put(path, content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, problem(answer).code) == (413, "TooLarge")


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    assert (await api.refused("GET", "/nothing", status=404)).code == "NoSuchPath"
    answer = await api.ask("PATCH", "/buckets/photos", status=405)
    assert answer.headers["allow"] == "DELETE, GET, PUT"
    assert problem(answer).code == "MethodNotAllowed"


async def test_it_can_stand_below_other_routes(api: Api) -> None:
    async with client(Starlette(routes=[Mount("/", api.app)])) as http:
        answer = await http.patch("/api/v1/buckets/photos")
        assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PUT")
        assert (await http.get("/api/v1/stats")).status_code == 200


async def test_what_is_not_json_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b'{"mode": "strict"', b"\xff", b"", b"[" * 100_000, b"9" * 5000, b'"\\ud800"'):
        with subtests.test(body=body[:20]):
            answer = await api.http.put("/api/v1/buckets/photos", content=body, headers=headers)
            assert (answer.status_code, problem(answer).code) == (400, "InvalidRequest")
            assert problem(answer).faults[0].field in ("body", "")


async def test_a_body_that_ends_too_early_is_a_refusal_and_no_crash(api: Api) -> None:
    head = {"type": "http", "method": "PUT", "path": "/api/v1/functions/f", "raw_path": b"", "query_string": b""}
    headers = [(b"host", b"localhost"), (b"content-type", b"application/zip"), (b"content-length", b"9")]
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    await api.app({**head, "headers": headers, "root_path": "", "http_version": "1.1"}, receive, send)
    assert said[0]["status"] == 400
    assert not api.functions.list()


async def test_half_a_character_is_refused_wherever_it_stands(api: Api) -> None:
    half = "\\ud800"
    bodies = {
        "/buckets/photos": f'{{"{half}": 1, "region": "{half}", "mode": "{half}"}}',
        "/callbacks/hook": f'{{"urls": ["http://{half}"], "region": "{half}"}}',
        "/deliveries:cancel": f'{{"filter": {{"prefix": "{half}"}}}}',
        "/targets/function:f:pause": f'{{"reason": "{half}"}}',
        "/functions/f": f'{{"url": "http://{half}"}}',
    }
    for path, body in bodies.items():
        method = "POST" if ":" in path else "PUT"
        headers = {"Content-Type": "application/json"}
        answer = await api.http.request(method, f"/api/v1{path}", content=body.encode(), headers=headers)
        assert (answer.status_code, problem(answer).status) == (400, 400)


async def test_while_the_registry_cannot_be_read_clients_are_told_to_come_back(api: Api) -> None:
    with closing(sqlite3.connect(api.folder / "registry.db")) as file:
        file.execute("DROP TABLE registry_callbacks")
    answer = await api.ask("GET", "/callbacks", status=503)
    assert answer.headers["retry-after"] == "5"
    assert problem(answer).code == "ServiceUnavailable"


@pytest.mark.parametrize("api", ["sqlite"], indirect=True)
async def test_while_the_outbox_cannot_be_read_clients_are_told_to_come_back(api: Api) -> None:
    with closing(sqlite3.connect(api.folder / "outbox.db")) as file:
        file.execute("DROP TABLE attempts")
        file.execute("DROP TABLE deliveries")
    answer = await api.ask("GET", "/deliveries", status=503)
    assert answer.headers["retry-after"] == "5"
    assert problem(answer).code == "ServiceUnavailable"
