"""Functions deployed, switched, broken, killed and brought back: real functions-framework processes throughout."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from ossfn.functions.errors import (
    DataInUse,
    DeployRefused,
    FunctionRefused,
    NoSuchFunction,
    NoSuchVersion,
    WrongKind,
)
from ossfn.functions.hosting.orphans import hosted_by
from ossfn.functions.hosting.states import Backoff, Idle, Ready
from ossfn.functions.model import Remote, Version
from ossfn.functions.service import Functions

pytestmark = pytest.mark.slow

Zipped = Callable[..., bytes]
Send = Callable[..., Coroutine[None, None, httpx.Response]]


def says(text: str) -> dict[str, str]:
    """A folder with an HTTP handler that answers `text` after 50 ms."""
    code = f"""
        import time
        import functions_framework

        @functions_framework.http
        def go(request):
            time.sleep(0.05)
            return {text!r}
    """
    return {"main.py": dedent(code)}


def says_async(text: str) -> dict[str, str]:
    """The same as an async handler."""
    code = f"""
        import asyncio
        from functions_framework import aio

        @aio.http
        async def go(request):
            await asyncio.sleep(0.05)
            return {text!r}
    """
    return {"main.py": dedent(code)}


async def until(true: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for something to become true; fails after so long."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)


HANDLERS = {
    "cloudevent": ("import functions_framework", "functions_framework.cloud_event", "def go(e): print(e['id'])", "OK"),
    "http": ("import functions_framework", "functions_framework.http", "def go(r): return r.get_json()['id']", "1"),
    "typed": (
        "import functions_framework\nclass T:\n    @staticmethod\n    def from_dict(d): return d['id']",
        "functions_framework.typed(T)",
        "def go(i): return i",
        "1",
    ),
    "async cloudevent": ("from functions_framework import aio", "aio.cloud_event", "async def go(e): print(e)", "OK"),
    "async http": ("from functions_framework import aio", "aio.http", "async def go(r): return 'async'", "async"),
}


@pytest.mark.parametrize("kind", HANDLERS)
async def test_every_kind_of_handler_takes_a_cloudevent(
    functions: Functions, send: Send, zipped: Zipped, kind: str
) -> None:
    imports, decorator, definition, answer = HANDLERS[kind]
    deployed = await functions.deploy("f", zipped({"main.py": f"{imports}\n@{decorator}\n{definition}\n"}), actor="me")
    version = deployed.runs
    assert isinstance(version, Version)
    assert version.signature_type == kind.removeprefix("async ")
    assert version.asgi == kind.startswith("async")
    assert (version.number, version.actor, version.region) == (1, "me", "cn-north-1")
    response = await send("f")
    assert (response.status_code, response.text) == (200, answer)
    assert isinstance(functions.describe("f").state, Ready)


async def test_an_undecorated_handler_is_served_as_the_options_say(
    functions: Functions, send: Send, zipped: Zipped
) -> None:
    code = "import asyncio\nasync def go(request):\n    return 'undecorated'\n"
    await functions.deploy(
        "f", zipped({"app.py": code}), {"source": "app.py", "entry_point": "go", "signature_type": "http"}
    )
    assert (await send("f")).text == "undecorated"


async def test_an_author_s_names_shadow_nothing_and_are_not_shadowed(
    functions: Functions, send: Send, zipped: Zipped
) -> None:
    main = """
        import functions_framework
        import adapter, functions, functions.part, queue

        @functions_framework.http
        def go(request):
            return f"{adapter.MINE} {functions.part.MINE} {queue.SimpleQueue.__name__}"
    """
    files = {
        "main.py": dedent(main),
        "adapter.py": "MINE = 1",
        "functions/__init__.py": "",
        "functions/part.py": "MINE = 2",
        "functions.py": "MINE = 3",
        "queue.py": "raise ImportError('the standard library needs its own queue')",
        "ossfn.py": "raise ImportError('nothing of ours runs in a function')",
    }
    await functions.deploy("f", zipped(files))
    assert (await send("f")).text == "1 2 SimpleQueue"


async def test_code_that_fails_is_refused_and_the_version_before_still_serves(
    functions: Functions, send: Send, zipped: Zipped
) -> None:
    await functions.deploy("f", zipped(says("good")))
    bad = {"main.py": says("bad")["main.py"] + "\nprint('about to fail')\nraise RuntimeError('no bucket configured')\n"}
    with pytest.raises(DeployRefused, match="does not start: it exited with status 1") as refused:
        await functions.deploy("f", zipped(bad))
    assert "RuntimeError: no bucket configured" in refused.value.tail
    assert "about to fail" in refused.value.tail
    assert (await send("f")).text == "good"
    assert [version.number for version in await functions.versions("f")] == [1]
    assert functions.get("f").runs == (await functions.versions("f"))[0]


async def test_a_first_deploy_that_is_refused_leaves_nothing(
    functions: Functions, zipped: Zipped, tmp_path: Path
) -> None:
    with pytest.raises(DeployRefused, match="ZeroDivisionError"):
        await functions.deploy("f", zipped({"main.py": says("x")["main.py"] + "1 / 0"}))
    with pytest.raises(FunctionRefused, match=r"no main\.py"):
        await functions.deploy("g", zipped({"app.py": ""}))
    assert functions.list() == []
    assert (functions.address_of("f"), functions.region_of("f"), functions.timeout_of("f")) == (None, None, None)
    assert not list((tmp_path / "data/functions").glob("[a-z]"))
    assert hosted_by(tmp_path / "data") == []


@pytest.mark.parametrize("make", [says, says_async])
async def test_no_request_fails_while_versions_change(
    functions: Functions, send: Send, zipped: Zipped, make: Callable[[str], dict[str, str]]
) -> None:
    await functions.deploy("f", zipped(make("1")))
    answers: list[tuple[int, str]] = []
    over = asyncio.Event()

    async def keep_sending() -> None:
        while not over.is_set():
            response = await send("f")
            answers.append((response.status_code, response.text))

    clients = [asyncio.create_task(keep_sending()) for _ in range(6)]
    for text in ("2", "3"):
        await functions.deploy("f", zipped(make(text)))
        await asyncio.sleep(0.5)
    await functions.rollback("f")
    await asyncio.sleep(0.5)
    over.set()
    await asyncio.gather(*clients)
    assert {status for status, _ in answers} == {200}
    texts = [text for _, text in answers]
    assert {"1", "2", "3"} <= set(texts)
    assert texts[-1] == "2"


async def test_rollback_serves_the_version_before_or_the_one_named(
    functions: Functions, send: Send, zipped: Zipped
) -> None:
    for text in ("1", "2", "3"):
        await functions.deploy("f", zipped(says(text)))
    await functions.rollback("f")
    assert isinstance(functions.describe("f").state, Ready)
    assert functions.get("f").runs == (await functions.versions("f"))[1]
    await functions.rollback("f", 1)
    with pytest.raises(NoSuchVersion, match="no version before 1"):
        await functions.rollback("f")
    with pytest.raises(NoSuchVersion, match="no version 9; there are 3, 2, 1"):
        await functions.rollback("f", 9)
    assert (await send("f")).text == "1"
    assert [version.number for version in await functions.versions("f")] == [3, 2, 1]
    fourth = (await functions.deploy("f", zipped(says("4")))).runs
    assert isinstance(fourth, Version)
    assert fourth.number == 4


async def test_a_killed_host_is_started_again(functions: Functions, send: Send, zipped: Zipped, tmp_path: Path) -> None:
    await functions.deploy("f", zipped(says("alive")))
    before = functions.describe("f").state
    assert isinstance(before, Ready)
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: isinstance(functions.describe("f").state, Backoff))
    backoff = functions.describe("f").state
    assert isinstance(backoff, Backoff)
    assert (backoff.failures, backoff.reason) == (1, "the host was killed by SIGKILL")
    assert hosted_by(tmp_path / "data") == [], "its workers went with it"
    assert (await send("f")).text == "alive"
    assert any("killed by SIGKILL" in line.text for line in await functions.logs("f") if line.stream == "host")


async def test_a_crash_loop_is_seen_with_its_reason(functions: Functions, zipped: Zipped, tmp_path: Path) -> None:
    code = f"""
        import pathlib
        import functions_framework
        if pathlib.Path({str(tmp_path / "broken")!r}).exists():
            raise OSError("the database is gone")

        @functions_framework.http
        def go(request):
            return "ok"
    """
    await functions.deploy("f", zipped({"main.py": dedent(code)}))
    state = functions.describe("f").state
    assert isinstance(state, Ready)
    (tmp_path / "broken").touch()
    os.kill(state.pid, signal.SIGKILL)

    def failed_twice() -> bool:
        state = functions.describe("f").state
        return isinstance(state, Backoff) and state.failures == 2

    await until(failed_twice)
    broken = functions.describe("f").state
    assert isinstance(broken, Backoff)
    assert "does not start" in broken.reason
    assert "OSError: the database is gone" in broken.tail
    assert 1 < broken.until - time.time() < 2.1


async def test_a_handler_that_hangs_is_stopped_and_the_next_request_served(
    functions: Functions, send: Send, zipped: Zipped
) -> None:
    code = """
        import time
        import functions_framework
        from flask import request

        @functions_framework.http
        def go(request):
            if request.args.get("hang"):
                time.sleep(60)
            return "served"
    """
    options = {"timeout_seconds": 2, "concurrency": 1}
    await functions.deploy("f", zipped({"main.py": dedent(code)}), options)
    assert (functions.timeout_of("f"), functions.concurrency_of("f")) == (2, 1)
    address = (functions.address_of("f") or "").removeprefix("unix:")
    began = time.monotonic()
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=address), timeout=20) as client:
        with contextlib.suppress(httpx.RemoteProtocolError):  # gunicorn may not get to answer
            assert (await client.post("http://function/?hang=1")).status_code == 500
    assert 1.5 < time.monotonic() - began < 6
    assert (await send("f")).text == "served"
    assert any("WORKER TIMEOUT" in line.text for line in await functions.logs("f"))


async def test_an_idle_function_stops_and_requests_start_it(
    functions: Functions, send: Send, zipped: Zipped, tmp_path: Path
) -> None:
    await functions.deploy("f", zipped(says("here")), {"idle_seconds": 1})
    assert (await send("f")).text == "here"
    await until(lambda: functions.describe("f").state == Idle())
    assert hosted_by(tmp_path / "data") == []
    responses = await asyncio.gather(*(send("f") for _ in range(20)))
    assert [response.text for response in responses] == ["here"] * 20


async def test_a_long_request_keeps_a_function_from_being_idle(
    functions: Functions, send: Send, zipped: Zipped
) -> None:
    slow = {"main.py": says("done")["main.py"].replace("0.05", "3")}
    await functions.deploy("f", zipped(slow), {"idle_seconds": 1})
    request = asyncio.create_task(send("f"))
    await asyncio.sleep(2.5)
    assert isinstance(functions.describe("f").state, Ready)
    assert (await request).text == "done"


async def test_no_host_listens_on_tcp(functions: Functions, send: Send, zipped: Zipped, tmp_path: Path) -> None:
    await functions.deploy("f", zipped(says("sync")))
    await functions.deploy("g", zipped(says_async("async")))
    assert [(await send(name)).status_code for name in ("f", "g")] == [200, 200]
    pids = hosted_by(tmp_path / "data")
    assert len(pids) == 1 + 4 + 1 + 1
    assert [pid for pid in pids if tcp_listeners(pid)] == []
    async with await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0):
        assert tcp_listeners(os.getpid())


def tcp_listeners(pid: int) -> set[str]:
    """Inodes of the TCP sockets that a process listens on."""
    rows = [
        line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()
    ]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    return listening & {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}


async def test_what_a_function_prints_is_kept_and_outlives_the_service(zipped: Zipped, tmp_path: Path) -> None:
    code = """
        import functions_framework, logging, sys

        @functions_framework.http
        def go(request):
            print("to", "stdout", 图 := 1)
            print("to stderr", file=sys.stderr)
            logging.warning("logged")
            return "ok"
    """
    async with Functions(tmp_path / "data") as functions:
        await functions.deploy("f", zipped({"main.py": dedent(code)}))
        transport = httpx.AsyncHTTPTransport(uds=(functions.address_of("f") or "").removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://f/")).text == "ok"
    async with Functions(tmp_path / "data") as functions:
        lines = [(line.stream, line.text, line.version) for line in await functions.logs("f")]
        assert ("stdout", "to stdout 1", 1) in lines
        assert ("stderr", "to stderr", 1) in lines
        assert any(stream == "stderr" and text.endswith("logged") for stream, text, _ in lines)
        assert len(await functions.logs("f", 2)) == 2


async def test_functions_come_back_with_the_service(zipped: Zipped, tmp_path: Path) -> None:
    async with Functions(tmp_path / "data") as functions:
        await functions.deploy("f", zipped(says("1")), {"timeout_seconds": 9})
        await functions.deploy("f", zipped(says("2")))
        await functions.rollback("f", 1)
        await functions.deploy_remote("r", "https://example.com/r")
        before = functions.list()
    assert hosted_by(tmp_path / "data") == []
    async with Functions(tmp_path / "data") as functions:
        assert functions.list() == before
        assert functions.timeout_of("f") == 9
        transport = httpx.AsyncHTTPTransport(uds=(functions.address_of("f") or "").removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            assert (await client.get("http://f/")).text == "1"


async def test_a_killed_service_leaves_no_process(zipped: Zipped, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(zipped(says("x") | {"main.py": says("x")["main.py"].replace("0.05", "60")}))
    script = """
        import asyncio, sys
        from pathlib import Path
        import uvloop
        from ossfn.functions.service import Functions

        async def main():
            async with Functions(Path("data")) as functions:
                await functions.deploy("f", Path("bundle.zip").read_bytes(), {"concurrency": 2})
                print(functions.address_of("f"), flush=True)
                await asyncio.sleep(60)

        uvloop.run(main())
    """
    service = subprocess.Popen([sys.executable, "-c", dedent(script)], cwd=tmp_path, stdout=subprocess.PIPE)
    with service:
        assert service.stdout
        address = (await asyncio.to_thread(service.stdout.readline)).decode().strip().removeprefix("unix:")
        transport = httpx.AsyncHTTPTransport(uds=address)
        async with httpx.AsyncClient(transport=transport, timeout=60) as client:
            request = asyncio.create_task(client.get("http://f/"))
            await asyncio.sleep(0.5)
            service.kill()
            service.wait()
            # What has nothing to do ends at once; the handler in the middle of a request has 30 s to finish, or …
            await until(lambda: len(hosted_by(tmp_path / "data")) == 2)
            assert not request.done()
            # … until somebody looks after this data directory again.
            async with Functions(tmp_path / "data"):
                with pytest.raises(httpx.HTTPError):
                    await request
    assert hosted_by(tmp_path / "data") == []
    shutil.rmtree(Path(address).parents[1], ignore_errors=True)


async def test_a_data_directory_has_one_master(functions: Functions, tmp_path: Path) -> None:
    with pytest.raises(DataInUse, match="another data directory"):
        async with Functions(tmp_path / "data"):
            pytest.fail("two services would start every function twice")
    assert functions.list() == []


async def test_a_function_sees_its_variables_and_none_of_the_service_s_secrets(
    functions: Functions, send: Send, zipped: Zipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSFN_SECRET", "hidden")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    code = """
        import functions_framework, json, os

        @functions_framework.http
        def go(request):
            return json.dumps(dict(os.environ))
    """
    files = {"main.py": dedent(code), "functions.toml": '[env]\nTABLE = "thumbs"\nSIZE = "1"'}
    deployed = await functions.deploy("f", zipped(files), {"env": {"SIZE": "2"}})
    seen = (await send("f")).json()
    assert (seen["TABLE"], seen["SIZE"], seen["K_SERVICE"], seen["K_REVISION"]) == ("thumbs", "2", "f", "f-00001")
    assert "hidden" not in seen.values()
    assert "thumbs" not in repr(deployed)


async def test_a_handler_beyond_its_memory_fails_alone(functions: Functions, send: Send, zipped: Zipped) -> None:
    code = """
        import functions_framework

        @functions_framework.cloud_event
        def go(event):
            bytearray(300 * 1024 * 1024)
    """
    await functions.deploy("f", zipped({"main.py": dedent(code)}), {"memory_mb": 128})
    assert (await send("f")).status_code == 500
    assert any("MemoryError" in line.text for line in await functions.logs("f"))
    await functions.deploy("f", zipped({"main.py": dedent(code)}), {"memory_mb": 512})
    assert (await send("f")).status_code == 200


async def test_what_a_handler_started_ends_with_its_host(
    functions: Functions, send: Send, zipped: Zipped, tmp_path: Path
) -> None:
    code = """
        import subprocess
        import functions_framework

        @functions_framework.http
        def go(request):
            return str(subprocess.Popen(["sleep", "60"]).pid)
    """
    await functions.deploy("f", zipped({"main.py": dedent(code)}))
    child = int((await send("f")).text)
    assert child in hosted_by(tmp_path / "data")
    await functions.remove("f")
    await until(lambda: hosted_by(tmp_path / "data") == [])


async def test_remove_ends_it_and_its_files(functions: Functions, send: Send, zipped: Zipped, tmp_path: Path) -> None:
    await functions.deploy("f", zipped(says("x")))
    address = (functions.address_of("f") or "").removeprefix("unix:")
    await functions.remove("f")
    assert not Path(address).exists()
    assert not (tmp_path / "data/functions/f").exists()
    assert hosted_by(tmp_path / "data") == []
    for ask in (functions.get, functions.describe):
        with pytest.raises(NoSuchFunction):
            ask("f")
    for change in (functions.remove, functions.rollback, functions.versions, functions.logs):
        with pytest.raises(NoSuchFunction):
            await change("f")
    await functions.deploy("f", zipped(says("again")))
    assert (await send("f")).text == "again"


async def test_a_hosted_function_does_not_become_a_remote_one(functions: Functions, zipped: Zipped) -> None:
    await functions.deploy("hosted", zipped(says("x")))
    await functions.deploy_remote("remote", "https://example.com")
    with pytest.raises(WrongKind, match="hosted here"):
        await functions.deploy_remote("hosted", "https://example.com")
    with pytest.raises(WrongKind, match="remote function"):
        await functions.deploy("remote", zipped(says("x")))
    with pytest.raises(WrongKind, match="has no versions"):
        await functions.rollback("remote")


async def test_a_deep_data_directory_works_too(zipped: Zipped, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    async with Functions(deep) as functions:
        await functions.deploy("f" * 128, zipped(says("deep")))
        address = functions.address_of("f" * 128) or ""
        transport = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://f/")).text == "deep"
    assert not Path(address.removeprefix("unix:")).parent.exists()


async def test_a_remote_function_is_like_any_other(functions: Functions) -> None:
    options = {"region": "eu-1", "concurrency": 3, "timeout_seconds": 4}
    first = await functions.deploy_remote("r", "https://example.com/a", options, actor="me")
    assert isinstance(first.runs, Remote)
    assert (first.kind, first.runs.actor, first.runs.url) == ("remote", "me", "https://example.com/a")
    assert (functions.address_of("r"), functions.region_of("r")) == ("https://example.com/a", "eu-1")
    assert (functions.concurrency_of("r"), functions.timeout_of("r")) == (3, 4)
    with pytest.raises(FunctionRefused, match=r"region: r is in eu-1 and cannot move to cn-north-1: say eu-1"):
        await functions.deploy_remote("r", "https://example.com/b")
    second = await functions.deploy_remote("r", "https://example.com/b", {"region": "eu-1"})
    assert (second.created_at, functions.address_of("r")) == (first.created_at, "https://example.com/b")
    assert functions.describe("r").state is None
    assert (await functions.versions("r"), await functions.logs("r")) == ([], [])
    await functions.remove("r")
    assert functions.list() == []


async def test_a_function_stays_in_its_region(functions: Functions, zipped: Zipped) -> None:
    await functions.deploy("f", zipped(says("one")))
    with pytest.raises(FunctionRefused, match=r"region: f is in cn-north-1 and cannot move to cn-east-2"):
        await functions.deploy("f", zipped(says("two")), {"region": "cn-east-2"})
    assert [version.number for version in await functions.versions("f")] == [1]


async def test_versions_have_names_to_go_back_to(functions: Functions, zipped: Zipped, tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        await functions.deploy("f", zipped(says(text)))
    assert await functions.set_alias("f", "stable", 1) == 1
    assert await functions.set_alias("f", "newest") == 3
    assert (await functions.rollback("f", "stable")).runs.number == 1  # type: ignore[union-attr]  # it is hosted
    assert await functions.aliases("f") == {"newest": 3, "stable": 1}
    with pytest.raises(NoSuchVersion, match="no version 9; there are 3, 2, 1"):
        await functions.set_alias("f", "other", 9)
    with pytest.raises(NoSuchVersion, match="no alias other; there are newest, stable"):
        await functions.rollback("f", "other")
    await functions.remove_alias("f", "newest")
    with pytest.raises(NoSuchVersion, match="no alias newest"):
        await functions.remove_alias("f", "newest")
    await functions.deploy_remote("away", "https://example.com/")
    with pytest.raises(WrongKind):
        await functions.set_alias("away", "stable")
