"""Starts what is measured as real processes on loopback and stops it again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

FUNCTION = '''"""Does nothing but note when it was called, as cheaply as a handler can."""

import os
import time

import functions_framework

notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@functions_framework.cloud_event
def handle(event):
    sent = (event.data.get("requestParameters") or {}).get("sentAt")
    if sent:
        os.write(notes, b"%.6f\\n" % (time.time() - float(sent)))
'''


@dataclass(frozen=True)
class Ossfn:
    """A running service with one function and one rule for bucket `bench`."""

    url: str
    notes: Path

    def stats(self) -> dict[str, int]:
        """The counts of deliveries."""
        return dict(httpx.get(f"{self.url}/api/v1/stats", timeout=30).raise_for_status().json())

    def drain(self, seconds: float = 120) -> dict[str, int]:
        """Wait until nothing is pending."""
        end = time.monotonic() + seconds
        while (stats := self.stats())["pending"]:
            if time.monotonic() > end:
                raise RuntimeError(f"still pending after {seconds} s: {stats}")
            time.sleep(0.02)
        return stats


@contextmanager
def ossfn(folder: Path) -> Iterator[Ossfn]:
    """`ossfn up` on SQLite with the function deployed under its own host."""
    source, notes = folder / "function", folder / "notes"
    source.mkdir(parents=True)
    (source / "main.py").write_text(FUNCTION)
    command = [
        sys.executable,
        "-m",
        "ossfn.adapter",
        "up",
        "--data",
        str(folder / "data"),
        "--port",
        "0",
        "--s3-port",
        "0",
    ]
    env = os.environ | {"OSSFN_LOG_LEVEL": "error"}
    with _process(command, env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = str(json.loads(process.stdout.readline())["url"])
        cli = [sys.executable, "-m", "ossfn.adapter", "--server", url]
        deploy = [*cli, "functions", "deploy", str(source), "--name", "bench", "--env", f"NOTES={notes}"]
        subprocess.run(deploy, check=True, stdout=subprocess.DEVNULL)
        rule = {"name": "all", "events": ["s3:ObjectCreated:*"], "target": {"function": "bench"}}
        httpx.put(f"{url}/api/v1/buckets/bench", json={"region": "cn-north-1"}).raise_for_status()
        httpx.post(f"{url}/api/v1/buckets/bench/rules", json=rule).raise_for_status()
        yield Ossfn(url, notes)


@contextmanager
def stock(folder: Path) -> Iterator[str]:
    """The same file under the stock functions-framework CLI with its default settings; gives its URL."""
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(FUNCTION)
    port = _free_port()
    command = [sys.executable, "-m", "functions_framework", "--target", "handle", "--signature-type", "cloudevent"]
    env = os.environ | {"NOTES": str(folder / "notes"), "HOST": "127.0.0.1", "PORT": str(port)}
    with _process(command, env, cwd=folder):
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _process(
    command: list[str], env: dict[str, str], *, cwd: Path | None = None, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=env, cwd=cwd, stdout=stdout, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {port}")
