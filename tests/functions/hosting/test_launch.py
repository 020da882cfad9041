"""The command that serves a version."""

from dataclasses import replace
from pathlib import Path

from ossfn.functions.hosting.launch import JD_RUNTIME, JD_RUNTIME_MB, launch
from ossfn.functions.model import Version

VERSION = Version(
    number=3,
    sha256="",
    source="src/app.py",
    entry_point="go",
    signature_type="http",
    asgi=False,
    concurrency=4,
    timeout_seconds=9,
    memory_mb=128,
    idle_seconds=0,
    region="r",
    requirements=None,
    env={"MINE": "1", "HOME": "/elsewhere"},
)
PLACES = {"code": Path("/code"), "python": Path("/venv/bin/python"), "data": Path("/data")}


def test_sync_handlers_get_one_thread_in_each_of_their_processes() -> None:
    made = launch("f", VERSION, **PLACES, environ={"PATH": "/bin", "HOME": "/root"})
    assert made.command[:4] == ("/venv/bin/python", "-P", "-m", "functions_framework")
    assert made.command[4:10] == ("--target", "go", "--source", "/code/src/app.py", "--signature-type", "http")
    assert "--asgi" not in made.command
    assert (made.env["WORKERS"], made.env["THREADS"], made.env["CLOUD_RUN_TIMEOUT_SECONDS"]) == ("4", "1", "9")
    assert (made.env["PATH"], made.env["HOME"], made.env["MINE"]) == ("/venv/bin:/bin", "/elsewhere", "1")
    assert made.memory_bytes == 128 * 1024 * 1024


def test_async_handlers_get_one_process() -> None:
    made = launch("f", replace(VERSION, asgi=True), **PLACES, environ={})
    assert "--asgi" in made.command
    assert made.env["WORKERS"] == "1"


def test_jd_functions_get_their_runtime_and_its_memory_on_top() -> None:
    made = launch("f", replace(VERSION, source="index.py", entry_point="index.handler"), **PLACES, environ={})
    assert made.command[4:8] == ("--target", "jd_function", "--source", str(JD_RUNTIME))
    assert (made.env["OSSFN_JD_HANDLER"], made.env["OSSFN_JD_MEMORY"]) == ("index.handler", "128")
    assert made.memory_bytes == (128 + JD_RUNTIME_MB) << 20
    uncapped = launch("f", replace(VERSION, entry_point="index.handler", memory_mb=None), **PLACES, environ={})
    assert uncapped.memory_bytes == 0
