"""The whole service as a process on loopback, as `ossfn up` starts it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

SOURCE = """
import os, sys, time
import functions_framework
from flask import Response, abort

@functions_framework.cloud_event
def handle(event):
    key = event["subject"]
    with open(os.environ["SEEN"], "a") as seen:
        print(key, file=seen)
    if key.startswith("raise"):
        raise ValueError("no good")
    if key.startswith("hang"):
        time.sleep(60)
    if key.startswith("die"):
        os.kill(os.getpid(), 9)
    if key.startswith("status/"):
        status = int(key.split("/")[1])
        abort(Response("as asked", status, {"Location": "http://127.0.0.1:1/"} if status == 301 else {}))
"""


@dataclass(frozen=True)
class Running:
    """A service that runs, and what is asked of it most."""

    http: httpx.Client
    data: Path
    seen: Path
    s3_port: int

    def notify(self, *keys: str, name: str = "ObjectCreated:Put") -> httpx.Response:
        """Post one AWS notification with these keys."""
        records = [
            {
                "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "cn-north-1", "eventName": name,
                "eventTime": "2026-11-22T15:57:26.221Z",
                "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "photos"}, "object": {"key": key}},
            }
            for key in keys
        ]  # fmt: skip
        return self.http.post("/ingest/auto", json={"Records": records})

    def stats(self) -> dict[str, int]:
        """The counts."""
        return dict(self.http.get("/api/v1/stats").raise_for_status().json())

    def deliveries(self, **query: str) -> list[dict[str, Any]]:
        """Deliveries, newest first."""
        return list(self.http.get("/api/v1/deliveries", params=query).raise_for_status().json()["deliveries"])

    def until(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        """Ask again until it is true, and give its value."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {seconds} s; {self.stats()}"
            time.sleep(0.05)
        return value


@contextmanager
def running(data: Path, *, log: Path | None = None, **settings: str) -> Iterator[Running]:
    """`ossfn up` on free ports, logging to this file or to ours; stopped as an operator would."""
    env = os.environ | {f"OSSFN_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "ossfn.adapter", "up", "--data", str(data), "--port", "0", "--s3-port", "0"]
    with log.open("wb") if log else nullcontext() as stderr:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=stderr, cwd=data.parent)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "the service ended before it was ready"
        ready = json.loads(line)
        with httpx.Client(base_url=ready["url"], timeout=30) as http:
            yield Running(http, data, data.parent / "seen", ready["s3_port"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service whose bucket `photos` calls a function that does what the key says."""
    folder = tmp_path_factory.mktemp("service")
    source = folder / "source"
    source.mkdir()
    (source / "main.py").write_text(SOURCE)
    (folder / "seen").touch()
    with running(folder / "data", log_level="error") as service:
        cli = [sys.executable, "-m", "ossfn.adapter", "--server", str(service.http.base_url)]
        options = ["--env", f"SEEN={folder / 'seen'}", "--timeout-seconds", "2"]
        subprocess.run([*cli, "functions", "deploy", str(source), "--name", "tester", *options], check=True)
        rule = {"name": "all", "events": ["s3:ObjectCreated:*"], "target": {"function": "tester"}}
        service.http.put("/api/v1/buckets/photos", json={"region": "cn-north-1"}).raise_for_status()
        service.http.post("/api/v1/buckets/photos/rules", json=rule).raise_for_status()
        yield service
