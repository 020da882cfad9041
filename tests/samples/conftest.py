"""A real store, and the stock functions-framework serving a sample as its author would run it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ossfn.adapter.demo.juicefs import format_volume, gateway, store_on_free_port
from ossfn.adapter.demo.processes import program
from ossfn.adapter.demo.s3 import S3Endpoint

SAMPLES = Path(__file__).parents[2] / "sample_functions"

# The socket is passed as systemd would: requests wait in it until the process is up, and no port is raced for.
AS_SYSTEMD = ["/bin/sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0', "sh"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample function that is being served, and its own example of an event."""

    url: str
    event: dict[str, Any]

    def send(self, **changes: str) -> httpx.Response:
        """Its answer to the example event, or to the same about another `key` or `bucket`."""
        event = json.loads(json.dumps(self.event))
        event["subject"] = changes.get("key", event["subject"])
        bucket = event["data"]["s3"]["bucket"]
        bucket["name"] = changes.get("bucket", bucket["name"])
        return self.post(event)

    def post(self, event: Mapping[str, Any]) -> httpx.Response:
        """Its answer to any event."""
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        return httpx.post(self.url, content=json.dumps(event), headers=headers, timeout=30, trust_env=False)


Serve = Callable[[str, Mapping[str, str]], Sample]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Serve a sample by its name, with this environment, until the module's tests are done."""
    with contextlib.ExitStack() as stack:
        yield lambda name, env: stack.enter_context(serving(name, env))


@contextlib.contextmanager
def serving(name: str, env: Mapping[str, str]) -> Iterator[Sample]:
    """One functions-framework process, ended with its workers."""
    folder = SAMPLES / name
    command = [program("functions-framework"), "--source", str(folder / "main.py"), "--target", name]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [*AS_SYSTEMD, *command, "--signature-type", "cloudevent"],
            stdin=listener.fileno(),
            env={**os.environ, **env},
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield Sample(url, json.loads((folder / "event.json").read_text()))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    """A running JuiceFS gateway."""
    directory = tmp_path_factory.mktemp("juicefs")
    store = store_on_free_port()
    format_volume(directory)
    with gateway(directory, store, webhooks={}):
        yield store
