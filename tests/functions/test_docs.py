"""docs/writing-functions.md: every command and every piece of code runs as it stands, and prints what is shown."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ossfn.functions.config import FunctionConfig
from ossfn.functions.testing import running, wait_for

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "writing-functions.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


class Reader:
    """Does what the page says, in an empty folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.printed = ""
        self.started: list[Path] = []
        self.ports = {"8080": free_port(), "8450": free_port()}
        uv = "".join(f"{path.parent}:" for path in REPOSITORY.glob(".dev/uv-*/bin/uv"))
        path = f"{Path(sys.executable).parent}:{uv}/usr/bin:/bin"
        self.env = {
            "PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "PYTEST_PLUGINS": "ossfn.functions.testing",
            "OSSFN_PORT": self.ports["8450"], "OSSFN_S3_PORT": "0",
            **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))},
        }  # fmt: skip

    def text(self, text: str) -> str:
        for named, real in self.ports.items():
            text = text.replace(named, real)
        return text

    def run(self, script: str) -> None:
        if script.startswith(("ossfn up", "ossfn functions dev")):
            return self.start(self.text(script).split())
        done = subprocess.run(
            ["bash", "-ec", self.text(script)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        self.printed = done.stdout
        return None

    def start(self, command: list[str]) -> None:
        output = self.folder / f"output-{len(self.started)}"
        process = self.stack.enter_context(running(command, output, cwd=self.folder, env=self.env))
        wait_for(process, output, r'(serves on|"ready")')
        self.started.append(output)

    def expect(self, shown: str) -> None:
        """Each line that is shown stands in what was printed last, by a command or by what was started."""
        if "serves on" in shown:
            self.printed = self.started[-1].read_text()
        for line in self.text(shown).splitlines():
            start = line.removesuffix("…").strip()
            assert any(printed.strip().startswith(start) for printed in self.printed.splitlines()), (line, self.printed)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with ExitStack() as stack:
        yield Reader(tmp_path, stack)


def files() -> Mapping[int, str]:
    """Where the page says that the next piece of code is a file's."""
    return {found.end(): found[1] for found in re.finditer(r"^Let `([\w/.]+)` be:\n\n", PAGE, re.MULTILINE)}


@pytest.mark.slow
def test_the_page_works_from_top_to_bottom(reader: Reader) -> None:
    named, began = files(), time.monotonic()
    for block in BLOCK.finditer(PAGE):
        match block[1]:
            case "sh":
                reader.run(block[2])
            case "text":
                reader.expect(block[2])
            case "python" if block.start() in named:
                (reader.folder / named[block.start()]).write_text(block[2])
            case "python":
                (reader.folder / "other").mkdir()
                (reader.folder / "other" / "main.py").write_text(block[2])
                reader.run("ossfn functions deploy other --name other")
    assert len(named) == 2
    assert time.monotonic() - began < 300, "five minutes"


def test_every_setting_is_in_the_table() -> None:
    table = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Settings")[2], re.MULTILINE)
    assert table == list(FunctionConfig.model_fields)
