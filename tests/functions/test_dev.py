"""`ossfn functions dev` as a process: it follows what is saved, and keeps serving what worked last."""

import base64
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ossfn.functions.dev import snapshot
from ossfn.functions.testing import Serve, Served, serve

__all__ = ["serve"]

SYNC = 'import functions_framework\n@functions_framework.http\ndef handle(request): return "{}"\n'
ASYNC = 'from functions_framework import aio\n@aio.http\nasync def handle(request): return "{}"\n'


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def says(served: Served, text: str) -> None:
    until(lambda: served.send({}).text == text)


@pytest.mark.slow
@pytest.mark.parametrize("code", [SYNC, ASYNC], ids=["sync", "async"])
def test_each_change_that_works_is_served(serve: Serve, tmp_path: Path, code: str) -> None:
    main = tmp_path / "main.py"
    main.write_text(code.format("v1"))
    served = serve(tmp_path)
    says(served, "v1")

    main.write_text(code.format("v2"))
    says(served, "v2")
    main.write_text("def handle(:\n")
    until(lambda: "does not compile" in served.output.read_text())
    assert served.send({}).text == "v2"
    main.write_text(code.format("v3") + "1 / 0\n")
    until(lambda: "ZeroDivisionError" in served.output.read_text())
    assert served.send({}).text == "v2"
    main.write_text(code.format("v4"))
    says(served, "v4")
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.slow
def test_settings_and_other_files_count_too(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import os, functions_framework, word\n"
        "@functions_framework.http\ndef handle(request): return word.WORD + os.environ.get('COLOUR', '')\n"
    )
    (tmp_path / "word.py").write_text("WORD = 'a '")
    served = serve(tmp_path)
    (tmp_path / "word.py").write_text("WORD = 'b '")
    says(served, "b ")
    (tmp_path / "functions.toml").write_text("[env]\nCOLOUR = 'red'")
    says(served, "b red")


@pytest.mark.slow
def test_a_jd_function_answers_sca(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(
        "Transform: JDCloud::Serverless-2019-12-25\n"
        "Resources:\n  f:\n    Type: JDCloud::Serverless::Function\n"
        "    Properties: {Handler: index.handler, Runtime: python3.7, CodeUri: code, Env: {COLOUR: red}}\n"
    )
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "index.py").write_text(
        "import os\ndef handler(event, context): return [event, os.environ['COLOUR'], context.function.function_name]\n"
    )
    served = serve(tmp_path)
    assert served.send({"a": 1}).json() == [{"a": 1}, "red", "f"]

    headers = {f"x-fc-function-{name}": "1" for name in ("id", "version", "memory", "timeout", "md5", "codepath")}
    headers |= {"x-fc-request-id": "r", "x-fc-function-name": "local", "x-fc-function-handler": "index.handler"}
    headers |= {"x-fc-function-env": '{"COLOUR": "blue"}', "content-type": "application/json"}
    body = json.dumps(base64.b64encode(b'{"a":2}').decode())
    answer = httpx.post(f"{served.url}invoke", content=body, headers=headers, trust_env=False)
    assert answer.reason_phrase == "OK"
    assert json.loads(answer.json()["FunctionReturn"]) == [{"a": 2}, "blue", "local"]


@pytest.mark.slow
def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from ossfn.adapter.cli import app

    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["functions", "dev", str(tmp_path), "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "choose another with --port" in result.stderr


def test_only_what_matters_is_watched(tmp_path: Path) -> None:
    for name in ("main.py", "data.sqlite", "functions.toml", ".venv/lib.py", "sub/more.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert {Path(path).relative_to(tmp_path).as_posix() for path in snapshot(tmp_path)} == {
        "main.py",
        "functions.toml",
        "sub/more.py",
    }
