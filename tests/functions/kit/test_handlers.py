"""Typed handlers under real hosts: what they are given, and how their wishes are answered."""

from collections.abc import Callable, Coroutine
from textwrap import dedent

import httpx
import pytest

from ossfn.functions import Drop, ObjectEvent, RetryLater, object_event
from ossfn.functions.errors import FunctionRefused
from ossfn.functions.model import Version
from ossfn.functions.service import Functions

Zipped = Callable[..., bytes]
Ask = Callable[..., Coroutine[None, None, httpx.Response]]

CODE = """
    from ossfn.functions import Drop, ObjectEvent, RetryLater, object_event, once

    @object_event
    @once
    {def_} go(event: ObjectEvent) -> None:
        print(f"{{event.name}} {{event.bucket}}/{{event.key}}")
        match event.key:
            case "busy":
                raise RetryLater(1.2, "the index is busy")
            case "bad":
                raise Drop("no picture")
            case "broken":
                raise ValueError("broken")
"""


def code(def_: str) -> str:
    return dedent(CODE).format(def_=def_)


def body(key: str, number: str) -> dict[str, object]:
    record = {"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}
    kind = "com.amazonaws.s3.ObjectCreated:Put"
    return {"specversion": "1.0", "id": number, "source": "s", "type": kind, "data": record}


@pytest.fixture
def ask(functions: Functions) -> Ask:
    """Posts an event about a key."""

    async def post(name: str, key: str, number: str = "") -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(uds=(functions.address_of(name) or "").removeprefix("unix:"))
        headers = {"content-type": "application/cloudevents+json"}
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            return await client.post("http://function/", json=body(key, number or key), headers=headers)

    return post


@pytest.mark.slow
@pytest.mark.parametrize("def_", ["def", "async def"])
async def test_a_handler_decides_about_its_event(functions: Functions, zipped: Zipped, ask: Ask, def_: str) -> None:
    version = (await functions.deploy("f", zipped({"main.py": code(def_)}))).runs
    assert isinstance(version, Version)
    assert (version.signature_type, version.asgi) == ("cloudevent", def_ == "async def")

    assert (await ask("f", "%E5%9B%BE+1.txt")).status_code == 200
    busy = await ask("f", "busy")
    assert (busy.status_code, busy.headers["retry-after"], busy.text) == (503, "2", "the index is busy")
    bad = await ask("f", "bad")
    assert (bad.status_code, bad.text) == (422, "no picture")
    assert (await ask("f", "broken")).status_code == 500
    assert (await ask("f", "again", "1")).status_code == (await ask("f", "again", "1")).status_code == 200

    printed = [line.text for line in await functions.logs("f") if line.text.startswith("s3:")]
    assert printed == [f"s3:ObjectCreated:Put b/{key}" for key in ("图 1.txt", "busy", "bad", "broken", "again")]


@pytest.mark.slow
async def test_ids_outlive_a_version(functions: Functions, zipped: Zipped, ask: Ask) -> None:
    for _ in range(2):
        await functions.deploy("f", zipped({"main.py": code("def")}))
        assert (await ask("f", "a", "1")).status_code == 200
    assert [line.text for line in await functions.logs("f")].count("s3:ObjectCreated:Put b/a") == 1


@pytest.mark.slow
async def test_an_environment_of_its_own_has_the_kit_and_nothing_else_of_ours(
    functions: Functions, zipped: Zipped, ask: Ask
) -> None:
    look = (
        "import importlib.util as u\nprint([n for n in ('ossfn.adapter', 'sqlalchemy', 'httpx') if u.find_spec(n)])\n"
    )
    await functions.deploy("f", zipped({"main.py": look + code("def"), "requirements.txt": "toolz==1.0.0\n"}))

    assert (await ask("f", "a")).status_code == 200
    printed = [line.text for line in await functions.logs("f") if line.stream == "stdout"]
    assert printed == ["[]", "s3:ObjectCreated:Put b/a"]


async def test_ossfn_is_never_fetched_from_an_index(functions: Functions, zipped: Zipped) -> None:
    with pytest.raises(FunctionRefused, match="leave ossfn out"):
        await functions.deploy("f", zipped({"main.py": code("def"), "requirements.txt": "toolz\nossfn>=0.1\n"}))


def test_in_a_test_it_is_the_plain_handler() -> None:
    @object_event
    def handler(event: ObjectEvent) -> str:
        if event.size == 0:
            raise Drop("empty")
        if event.size is None:
            raise RetryLater(1)
        return event.key

    made = ObjectEvent(id="1", source="s", name="s3:ObjectCreated:Put", bucket="b", key="k", size=1)
    assert handler(made) == "k"
    with pytest.raises(Drop, match="empty"):
        handler(made.model_copy(update={"size": 0}))
    with pytest.raises(RetryLater, match="again in 1 s"):
        handler(made.model_copy(update={"size": None}))
