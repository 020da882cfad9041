"""A pytest plugin for authors: events of any store, handlers called here or under their real host, and a whole ossfn.

Everything is imported when a test asks for it, so that other test suites do not pay for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from ossfn.functions.examples import Happening, Store
    from ossfn.functions.kit import ObjectEvent

START_SECONDS = 90.0
"""A folder with requirements has its own environment made first."""
ANSWER_SECONDS = 310.0
"""A function's longest time-out is 300 s."""

_OSSFN = (sys.executable, "-m", "ossfn.adapter")


class OssEvent(dict[str, Any]):
    """A structured CloudEvent, as ossfn sends it to a function; `notification` is what the store sent to ossfn."""

    notification: dict[str, Any]

    def object_event(self) -> ObjectEvent:
        """As a handler with `@object_event` gets it, to call that handler directly."""
        from ossfn.functions.kit import ObjectEvent

        return ObjectEvent.of(self, self["data"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.text)


class MakeEvent(Protocol):
    """Of the fixture `oss_event`."""

    def __call__(
        self,
        happening: Happening = "put",
        *,
        store: Store = "minio",
        bucket: str = ...,
        key: str = ...,
        size: int = ...,
    ) -> OssEvent:
        """An event unlike all before."""
        ...


class Invoke(Protocol):
    """Of the fixture `invoke`."""

    def __call__(self, folder: Path, event: Mapping[str, Any], **env: str) -> Answer:
        """Load the folder's handler and call it."""
        ...


class Serve(Protocol):
    """Of the fixture `serve`."""

    def __call__(self, folder: Path, **env: str) -> Served:
        """Start the folder's host, which ends with the test."""
        ...


@pytest.fixture
def oss_event() -> MakeEvent:
    """Makes events: `oss_event("put", store="ceph", bucket="photos", key="a b.jpg", size=3)`."""
    from ossfn.functions.examples import Example, cloud_event, notification

    numbers = count(1)

    def make(happening: Happening = "put", **said: Any) -> OssEvent:
        example = Example(happening=happening, number=next(numbers), **said)
        event = OssEvent(cloud_event(example))
        event.notification = notification(example)
        return event

    return make


@pytest.fixture
def invoke() -> Invoke:
    """Calls a folder's handler in this process, through functions-framework: `invoke(folder, event, VARIABLE="x")`."""
    from ossfn.functions.in_process import call

    return lambda folder, event, **env: Answer(*call(folder, event, env))


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Runs a folder under its real host, in its own environment: `serve(folder, VARIABLE="x").send(event)`."""
    with contextlib.ExitStack() as stack:

        def start(folder: Path, **env: str) -> Served:
            output = tmp_path_factory.mktemp("serve") / "output"
            given = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
            command = [*_OSSFN, "functions", "dev", str(folder), "--port", "0", *given]
            process = stack.enter_context(running(command, output))
            return Served(wait_for(process, output, r"✓ \S+ serves on (\S+)"), output)

        yield start


@dataclass(frozen=True, slots=True)
class Served:
    """A function under its host; `output` is the file with what it printed."""

    url: str
    output: Path

    def send(self, event: Mapping[str, Any], **headers: str) -> Answer:
        """Its answer to an event, or to any other JSON."""
        return _post(self.url, json.dumps(event).encode(), {**_kind(event), **headers})


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    """A whole ossfn on free ports, with all its data in a temporary folder."""
    data, output = tmp_path / "ossfn-data", tmp_path / "ossfn-output"
    with running([*_OSSFN, "up", "--data", str(data), "--port", "0", "--s3-port", "0"], output) as process:
        ready = json.loads(wait_for(process, output, r'(\{"ready".*\})\n'))
        yield Adapter(f"http://127.0.0.1:{ready['port']}", f"http://127.0.0.1:{ready['s3_port']}")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A running ossfn; `url` is its ingest and JSON API, `s3_url` its S3 notification API."""

    url: str
    s3_url: str

    def ossfn(self, *words: str) -> str:
        """What a command prints: `ossfn("functions", "ls")`."""
        done = subprocess.run([*_OSSFN, "--server", self.url, *words], capture_output=True, text=True, timeout=300)  # noqa: S603
        if done.returncode:
            raise AssertionError(f"ossfn {' '.join(words)}: {done.stderr}")
        return done.stdout

    def deploy(self, folder: Path, name: str, **env: str) -> None:
        """Deploy a folder with these environment variables."""
        given = [word for variable, value in env.items() for word in ("--env", f"{variable}={value}")]
        self.ossfn("functions", "deploy", str(folder), "--name", name, *given)

    def trigger(self, bucket: str, function: str, *, events: Sequence[str] = ("s3:ObjectCreated:*",)) -> None:
        """Let events of a bucket call a function."""
        self.ossfn("buckets", "set", bucket)
        given = [word for event in events for word in ("--event", event)]
        self.ossfn("rules", "add", bucket, "--function", function, *given)

    def notify(self, event: OssEvent) -> Answer:
        """Send what the store would have sent."""
        body = json.dumps(event.notification).encode()
        return _post(f"{self.url}/ingest/auto", body, {"content-type": "application/json"})

    def delivered(self, seconds: float = 30) -> list[dict[str, Any]]:
        """All deliveries, once none of them is pending."""
        deadline = time.monotonic() + seconds
        while True:
            found: list[dict[str, Any]] = json.loads(self.ossfn("deliveries", "ls", "--json"))["deliveries"]
            if all(delivery["state"] != "pending" for delivery in found):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"still pending after {seconds} s: {found}")
            time.sleep(0.1)


@contextlib.contextmanager
def running(command: Sequence[str], output: Path, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes into a file, and ends with the block; `how` is for subprocess.Popen."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OSSFN_")} | how.pop("env", {})
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603
            command, stdout=file, stderr=subprocess.STDOUT, env={**env, "PYTHONIOENCODING": "utf-8"}, **how
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_for(process: subprocess.Popen[bytes], output: Path, pattern: str) -> str:
    """The first group of the pattern, once the process has written it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        at_its_end = process.poll() is not None or time.monotonic() > deadline
        text = output.read_text("utf-8", "replace")
        if found := re.search(pattern, text):
            return found[1]
        if at_its_end or "✗" in text:
            raise AssertionError(f"it does not start:\n{text}")
        time.sleep(0.05)


def _kind(event: Mapping[str, Any]) -> dict[str, str]:
    return {"content-type": "application/cloudevents+json" if "specversion" in event else "application/json"}


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    import httpx

    with httpx.Client(trust_env=False, timeout=ANSWER_SECONDS) as client:
        answer = client.post(url, content=body, headers=headers)
        return Answer(answer.status_code, answer.text, dict(answer.headers))
