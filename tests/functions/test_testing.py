"""The pytest plugin: handlers in this process, under their real host, and behind a whole ossfn."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ossfn.functions.errors import FunctionRefused
from ossfn.functions.testing import (
    Adapter,
    Invoke,
    MakeEvent,
    Serve,
    Served,
    adapter,
    invoke,
    oss_event,
    running,
    serve,
)

__all__ = ["adapter", "invoke", "oss_event", "serve"]

HANDLER = """
import os
import helper
from ossfn.functions import Drop, ObjectEvent, object_event

@object_event
{def_} handle(event: ObjectEvent):
    if event.key == "bad":
        raise Drop(helper.WORD)
    print(os.environ.get("COLOUR"), event.store, event.key, flush=True)
"""


def folder_of(place: Path, def_: str = "def", word: str = "no") -> Path:
    place.mkdir()
    (place / "main.py").write_text(HANDLER.format(def_=def_))
    (place / "helper.py").write_text(f"WORD = {word!r}\n")
    (place / "functions.toml").write_text('name = "f"\n[env]\nCOLOUR = "blue"\n')
    return place


@pytest.mark.parametrize("def_", ["def", "async def"])
def test_in_process(
    invoke: Invoke, oss_event: MakeEvent, tmp_path: Path, capsys: pytest.CaptureFixture[str], def_: str
) -> None:
    folder = folder_of(tmp_path / "f", def_)
    assert invoke(folder, oss_event(key="a b")).status == 200
    assert invoke(folder, oss_event(store="ceph"), COLOUR="red").status == 200
    refused = invoke(folder, oss_event(key="bad"))
    assert (refused.status, refused.text) == (422, "no")
    assert capsys.readouterr().out.splitlines()[:2] == ["blue minio:s3 a b", "red ceph:s3 cats/猫 1.jpg"]


def test_two_folders_do_not_share_modules(invoke: Invoke, oss_event: MakeEvent, tmp_path: Path) -> None:
    before = dict(os.environ), list(sys.path)
    words = [
        invoke(folder_of(tmp_path / word, word=word), oss_event(key="bad")).text for word in ("one", "two", "three")
    ]
    assert words == ["one", "two", "three"]
    assert (dict(os.environ), sys.path) == before


def test_what_cannot_be_deployed_cannot_be_invoked(invoke: Invoke, tmp_path: Path) -> None:
    with pytest.raises(FunctionRefused, match="the bundle has no"):
        invoke(tmp_path, {})


def test_events_are_different_and_for_handlers_too(oss_event: MakeEvent) -> None:
    first, second = oss_event("delete", bucket="b", key="图 +"), oss_event("delete")
    assert first["id"] != second["id"]
    assert first.object_event().key == "图 +"
    assert first.object_event().name == "s3:ObjectRemoved:Delete"


@pytest.mark.slow
def test_under_a_real_host(serve: Serve, oss_event: MakeEvent, tmp_path: Path) -> None:
    served = serve(folder_of(tmp_path / "f"), COLOUR="red")
    assert served.send(oss_event(key="a")).status == 200
    assert served.send(oss_event(key="bad")).status == 422
    assert "red minio:s3 a" in served.output.read_text()


@pytest.mark.slow
def test_a_folder_that_does_not_start_says_why(serve: Serve, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f")
    (folder / "helper.py").write_text("WORD = 1 / 0\n")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        serve(folder)


@pytest.mark.slow
def test_behind_a_whole_ossfn(adapter: Adapter, oss_event: MakeEvent, tmp_path: Path) -> None:
    adapter.deploy(folder_of(tmp_path / "f"), "f", COLOUR="green")
    adapter.trigger("photos", "f", events=["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])
    for event in (oss_event(key="a b"), oss_event("delete", store="aws", key="gone"), oss_event(key="bad")):
        assert adapter.notify(event).status == 200
    states = {delivery["event"]["key"]: delivery["state"] for delivery in adapter.delivered()}
    assert states == {"a b": "delivered", "gone": "delivered", "bad": "dead"}
    assert "green aws:s3 gone" in adapter.ossfn("functions", "logs", "f")


OWN_NAMES = {
    "main.py": """
import adapter, functions.part
from ossfn.functions import ObjectEvent, object_event

@object_event
def go(event: ObjectEvent) -> None:
    print(f"mine: {adapter.MINE} {functions.part.MINE} {event.key}", flush=True)
""",
    "adapter.py": "MINE = 1\n",
    "functions/__init__.py": "",
    "functions/part.py": "MINE = 2\n",
    "functions.py": "MINE = 3\n",
    "test_main.py": """
from pathlib import Path
import adapter, functions.part

def test_it(invoke, oss_event, capsys):
    assert invoke(Path(__file__).parent, oss_event(key="k")).status == 200
    assert "mine: 1 2 k" in capsys.readouterr().out
""",
}


@pytest.fixture
def own_names(tmp_path: Path) -> Path:
    """A folder whose author calls files as ours are called."""
    for name, text in OWN_NAMES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_an_author_s_names_are_theirs_under_our_host(serve: Serve, oss_event: MakeEvent, own_names: Path) -> None:
    served = serve(own_names)
    assert served.send(oss_event(key="k")).status == 200
    assert "mine: 1 2 k" in served.output.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_an_author_s_names_are_theirs_under_pytest(own_names: Path, mode: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "ossfn.functions.testing", f"--import-mode={mode}"]
    # importlib leaves the folder out of sys.path, as an author who chooses it knows.
    env = {**os.environ, "PYTHONPATH": str(own_names)} if mode == "importlib" else None
    done = subprocess.run([*command, "."], cwd=own_names, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_an_author_s_names_are_theirs_under_the_stock_command(
    own_names: Path, oss_event: MakeEvent, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "functions_framework",
        "--target",
        "go",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    output = tmp_path_factory.mktemp("stock") / "output"
    with running(command, output, cwd=own_names):
        served = Served(f"http://127.0.0.1:{port}/", output)
        deadline = time.monotonic() + 20
        while True:
            try:
                answer = served.send(oss_event(key="k"))
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    assert answer.status == 200
    assert "mine: 1 2 k" in output.read_text()
