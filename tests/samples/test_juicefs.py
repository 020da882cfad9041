"""The demo's store: a real gateway that posts what happens in a bucket, and leaves nothing behind."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from ossfn.adapter.demo.juicefs import format_volume, gateway, store_on_free_port, webhook_arn
from ossfn.adapter.demo.processes import StartFailed
from ossfn.adapter.demo.s3 import S3Endpoint

pytestmark = pytest.mark.slow

KEY = "图片/50% off + more & done.txt"


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook, and what was posted to it."""

    url: str
    bodies: "Queue[dict[str, Any]]"


@pytest.fixture
def hook() -> Iterator[Hook]:
    bodies: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            bodies.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.do_HEAD()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Hook(f"http://127.0.0.1:{server.server_port}", bodies)
        server.shutdown()
        thread.join()


def test_it_posts_what_happens_in_a_bucket(hook: Hook, tmp_path: Path) -> None:
    store = store_on_free_port()
    format_volume(tmp_path)
    with gateway(tmp_path, store, webhooks={"OSSFN": hook.url}) as running:
        s3 = store.client()
        s3.create_bucket(Bucket="photos")
        queue = {"QueueArn": webhook_arn("OSSFN"), "Events": ["s3:ObjectCreated:*"]}
        configuration = {"QueueConfigurations": [queue]}
        s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=configuration)
        s3.put_object(Bucket="photos", Key=KEY, Body=b"hello")
        body = hook.bodies.get(timeout=5)
        s3.close()

    assert (body["EventName"], body["Key"]) == ("s3:ObjectCreated:Put", f"photos/{KEY}")
    assert running.process.poll() == 0


def test_a_port_that_is_taken_is_said_so(hook: Hook, tmp_path: Path) -> None:
    format_volume(tmp_path)
    serving = gateway(tmp_path, S3Endpoint(hook.url, "access-key", "secret-key"), webhooks={})

    with pytest.raises(StartFailed, match=r"(?s)juicefs ended with status 1.*already in use"), serving:
        pass
