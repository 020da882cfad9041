"""The real service as processes: started, looked at, and killed as a power cut would."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx


class Service:
    """`ossfn up` on one data directory and one port, over and over."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._said = folder / "ready.json"
        self._log = (folder / "log").open("ab")
        self._env = {**os.environ, "OSSFN_LOG_LEVEL": "error", **env}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The running one."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it; `wait_ready` tells when it accepts."""
        command = [sys.executable, "-m", "ossfn.adapter", "up", "--data", str(self.data), "--s3-port", "0"]
        command += ["--port", str(self.port)]
        with self._said.open("wb") as out:
            self._process = subprocess.Popen(
                command, env=self._env, stdout=out, stderr=self._log, start_new_session=True
            )

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when both ports answer."""
        end = time.monotonic() + seconds
        while not self._said.read_bytes().endswith(b"\n"):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"it did not start; see {self._log.name}")
            time.sleep(0.01)

    def hosts(self) -> list[int]:
        """Its children and theirs: the processes that run functions."""
        return descendants(self.process.pid)

    def kill(self) -> None:
        """SIGKILL it and everything that it started."""
        for pid in [self.process.pid, *self.hosts()]:
            self.kill_one(pid)
        self.process.wait()

    def kill_one(self, pid: int) -> None:
        """SIGKILL one process, unless it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def stop(self, seconds: float = 60) -> float:
        """SIGTERM; how long it took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(seconds):
            raise RuntimeError(f"it ended with {self.process.returncode}; see {self._log.name}")
        return time.monotonic() - start

    def close(self) -> None:
        """Be sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()

    def stats(self) -> dict[str, int]:
        """The counts of deliveries."""
        return dict(httpx.get(f"{self.url}/api/v1/stats", timeout=30).raise_for_status().json())

    def drain(self, seconds: float = 120) -> dict[str, int]:
        """Wait until nothing is pending."""
        end = time.monotonic() + seconds
        while (stats := self.stats())["pending"]:
            if time.monotonic() > end:
                raise RuntimeError(f"still pending after {seconds} s: {stats}")
            time.sleep(0.05)
        return stats

    def put(self, path: str, content: object) -> None:
        """PUT JSON to the API."""
        httpx.put(f"{self.url}/api/v1/{path}", json=content, timeout=30).raise_for_status()

    def post(self, path: str, content: object) -> dict[str, int]:
        """POST JSON to the API."""
        return dict(httpx.post(f"{self.url}/api/v1/{path}", json=content, timeout=60).raise_for_status().json())

    def deploy(self, folder: Path, name: str, **env: str) -> None:
        """Deploy a folder as a function."""
        command = [sys.executable, "-m", "ossfn.adapter", "--server", self.url, "functions", "deploy", str(folder)]
        command += ["--name", name, *(part for item in env.items() for part in ("--env", "=".join(item)))]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def rule(self, bucket: str, **target: object) -> None:
        """Send everything that is created in a bucket to one target."""
        self.put(f"buckets/{bucket}", {"region": "cn-north-1"})
        rule = {"name": "all", "events": ["s3:ObjectCreated:*"], **target}
        self.put(f"buckets/{bucket}/rules/all", rule)


def descendants(pid: int) -> list[int]:
    """Every process below this one."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found


def free_port() -> int:
    """A TCP port of loopback on which nobody listens now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def notification(bucket: str, keys: list[str]) -> bytes:
    """What a store posts: one record a key, each with a sequencer of its own."""
    records = [
        {
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "cn-north-1",
            "eventTime": "2026-11-22T15:57:26.221Z", "eventName": "ObjectCreated:Put",
            "responseElements": {"x-amz-request-id": "18EA692DA3FE9834", "x-amz-id-2": "eftixk72aD6Ap51"},
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1, "sequencer": key.encode().hex()}},
        }
        for key in keys
    ]  # fmt: skip
    return json.dumps({"Records": records}).encode()
