"""The console in a real Chromium, before a real service with functions, rules and deliveries of every kind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

CAPTURED = Path(__file__).parents[1] / "dialects" / "ceph-rgw" / "03-put.json"
"""What Ceph RGW sent when `docs/hello.txt` was put into `demo-bucket`."""

# Keys with "refuse" in them are refused for good: 422 makes a dead letter at once.
SOURCE = """
import functions_framework
from flask import Response, abort

@functions_framework.cloud_event
def handle(event):
    print("took", event["subject"], flush=True)
    if "refuse" in event["subject"]:
        abort(Response("this key is refused", 422))
"""

TOKENS = {"writer": "a-token-that-may-write", "reader": "a-token-that-may-read"}


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs."""

    url: str
    http: httpx.Client

    def console(self, path: str = "/") -> str:
        """The address of one of its pages."""
        return f"{self.url}/console{path}"

    def put(self, key: str, bucket: str = "photos") -> None:
        """Notify it, as Amazon S3 does, of a new object."""
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "cn-north-1",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-22T15:57:26.221Z",
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": {"key": key, "size": 20480}},
        }
        self.http.post("/ingest/auto", json={"Records": [record]}).raise_for_status()

    def notify_as_captured(self, file: Path) -> None:
        """Send it what a store sent, byte for byte."""
        sent = json.loads(file.read_text())["deliveries"][0]
        self.http.post("/ingest/auto", headers=sent["headers"], content=sent["body"].encode()).raise_for_status()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the JSON API for what a test needs beforehand, or wants to know afterwards."""
        answer = self.http.request(method, f"/api/v1/{path}", json=body).raise_for_status()
        return answer.json() if answer.content else None

    def deliveries(self, **query: str) -> list[dict[str, Any]]:
        """Deliveries, newest first."""
        return list(self.http.get("/api/v1/deliveries", params=query).raise_for_status().json()["deliveries"])


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Ask again until it is true, and give its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return value


@contextmanager
def running(folder: Path, token: str = "", **settings: str) -> Iterator[Service]:
    """`ossfn up` on free ports; `token` is what the test itself uses."""
    env = os.environ | {f"OSSFN_{name.upper()}": value for name, value in settings.items()}
    options = ["--data", str(folder / "data"), "--port", "0", "--s3-port", "0"]
    command = [sys.executable, "-m", "ossfn.adapter", "up", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, cwd=folder)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        url = json.loads(line)["url"]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            yield Service(url, http)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def deploy(service: Service, folder: Path, name: str, source: str = SOURCE, **env: str) -> None:
    """Deploy the function of these tests, or its next version."""
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text(source)
    cli = [sys.executable, "-m", "ossfn.adapter", "--server", service.url, "functions", "deploy", str(folder)]
    options = [part for item in env.items() for part in ("--env", "=".join(item))]
    subprocess.run([*cli, "--name", name, *options], check=True, capture_output=True)


def rule(name: str, prefix: str = "", suffix: str = "", **target: Any) -> dict[str, Any]:
    """A rule for new objects."""
    events = ["s3:ObjectCreated:*"]
    return {"name": name, "events": events, "prefix": prefix, "suffix": suffix, "target": target}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a function in two versions, a callback that does not answer, and deliveries of every state."""
    folder = tmp_path_factory.mktemp("console")
    with running(folder, log_level="error") as service:
        deploy(service, folder / "source", "thumbs")
        deploy(service, folder / "source", "thumbs", SIZE="256")
        service.api("PUT", "functions/elsewhere", {"url": "https://fn.example.com/"})
        for bucket in ("photos", "demo-bucket"):
            service.api("PUT", f"buckets/{bucket}", {"region": "cn-north-1"})
        service.api("POST", "buckets/photos/rules", rule("images", "in/", ".jpg", function="thumbs"))
        silent = "http://127.0.0.1:9/hook"
        service.api("POST", "buckets/photos/rules", rule("videos", "in/", ".mp4", callbacks=[silent]))
        for key in ("in/one.jpg", "in/two.jpg", "in/refuse-1.jpg", "in/refuse-2.jpg", "in/film.mp4", "other.txt"):
            service.put(key)
        until(lambda: len(service.deliveries(state="dead")) == 2 and len(service.deliveries(state="delivered")) == 2)
        yield service


@pytest.fixture(scope="module")  # Playwright runs an event loop in this thread while it lives: no async test can
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    path = os.environ.get("PLAYWRIGHT_CHROMIUM") or shutil.which("chromium")
    if not path:
        pytest.skip("there is no Chromium: apt-get install chromium, or name one in PLAYWRIGHT_CHROMIUM")
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync")
    arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{part}" for part in quiet)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor without cookies."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not complain: no error in the browser's console, none of its policies broken."""
    page = context.new_page()
    complaints: list[str] = []
    refused: list[str] = []

    def said(message: ConsoleMessage) -> None:
        # The browser reports every answer of 4xx by itself; those that a test provokes are its own business.
        if message.type in ("error", "warning") and "the server responded with a status of 4" not in message.text:
            complaints.append(message.text)

    def answered(response: Response) -> None:
        if response.status >= 500 or (response.status == 404 and response.request.resource_type != "document"):
            refused.append(f"{response.status} {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", answered)
    page.set_default_timeout(10_000)
    yield page
    assert complaints + refused == []
