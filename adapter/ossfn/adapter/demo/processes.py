"""Start another program, see that it lives, and be sure that it is gone afterwards."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

STOP_SECONDS = 10.0
"""How long a program may take over its good-bye before it is killed."""

_POLL_SECONDS = 0.02


class StartFailed(Exception):
    """A program that the demo needs did not start; the text says which one, and what it wrote last."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started program and the file that holds all it wrote."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_until(self, ready: Callable[[], T | None], seconds: float) -> T:
        """What `ready` gives once it gives something; StartFailed when the program ends or the time does."""
        deadline = time.monotonic() + seconds
        while (found := ready()) is None:
            if (status := self.process.poll()) is not None:
                raise StartFailed(f"{self.name} ended with status {status}:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready after {seconds:g} s:\n{self._last_words()}")
            time.sleep(_POLL_SECONDS)
        return found

    def _last_words(self) -> str:
        return _tail(self.log.read_text(errors="replace"))


def program(name: str) -> str:
    """The path of a program installed beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise StartFailed(f"{name} is not installed beside {sys.executable}: start this as `./dev demo`")
    return str(path)


def free_port() -> int:
    """A TCP port of the loopback interface on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(command: Sequence[str]) -> None:
    """Run to the end; StartFailed with its last words when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a list, no shell
    if done.returncode:
        said = _tail(done.stdout + done.stderr)
        raise StartFailed(f"{Path(command[0]).name} ended with status {done.returncode}:\n{said}")


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A program that runs as long as the block does, in the directory of its log.

    Ctrl-C reaches the demo alone, not the program: the demo stops all that it started, in order.
    """
    process = None
    try:
        with _undisturbed():
            process = _start(command, log, env)
        yield Running(Path(command[0]).name, process, log)
    finally:
        if process:
            _stop(process)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a signal that comes now interrupt only when the block has ended, and nobody lose sight of a process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def _start(command: Sequence[str], log: Path, env: Mapping[str, str] | None) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            command,
            cwd=log.parent,
            env={**os.environ, **(env or {})},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(text: str, lines: int = 20) -> str:
    return "\n".join(text.splitlines()[-lines:])
