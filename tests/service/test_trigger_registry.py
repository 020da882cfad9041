"""The trigger registry from outside: rules live in every process at once, callbacks ask first, tokens, deletions."""

import base64
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from .conftest import Running, running

pytestmark = pytest.mark.slow


class Callback(BaseHTTPRequestHandler):
    """`/echo…` agrees by JD's echo; nothing else agrees; events are taken everywhere."""

    asked: list[tuple[str, str, Any]]
    events: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if "x-jdcloud-message-type" in self.headers:
            self.asked.append(("POST", self.path, self.headers))
            self._answer(base64.b64encode(body) if self.path.startswith("/echo") else b"ok")
        else:
            self.events.append(json.loads(body)["subject"])
            self._answer(b"")

    def do_OPTIONS(self) -> None:
        self.asked.append(("OPTIONS", self.path, self.headers))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def callback() -> Iterator[tuple[str, type[Callback]]]:
    class Recording(Callback):
        asked: list[tuple[str, str, Any]] = []  # noqa: RUF012 - new for each test
        events: list[str] = []  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Recording) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Recording
        server.shutdown()
        thread.join()


def s3(service: Running) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{service.s3_port}",
        aws_access_key_id="ossfn",
        aws_secret_access_key="ossfn-local",
        region_name="cn-north-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def put(service: Running, target: str, bucket: str = "photos") -> Any:
    rule = {"Id": "r", "TopicArn": target, "Events": ["s3:ObjectCreated:*"]}
    return s3(service).put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )


def cli(service: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ossfn.adapter", "--server", str(service.http.base_url), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rule(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "events": ["s3:ObjectCreated:*"], **more}


def test_a_rule_is_live_in_every_process_within_a_second(tmp_path: Path, callback: tuple[str, Any]) -> None:
    (tmp_path / "two").mkdir()
    registry = f"sqlite:///{tmp_path / 'rules.db'}"
    one_place, two_place = tmp_path / "one", tmp_path / "two" / "data"
    with running(one_place, registry_url=registry) as one, running(two_place, registry_url=registry) as two:
        for n in range(3):
            put(one, f"NS:{callback[0]}/{n}")
            changed = time.monotonic()
            assert one.notify(f"{n}.jpg").status_code == 200
            two.until(lambda: target(two) == f"{callback[0]}/{n}", 2)  # noqa: B023 - called at once
            assert time.monotonic() - changed < 1.0
            assert two.notify(f"{n}.png").status_code == 200
        one.until(lambda: len(callback[1].events) == 6)
        assert {(d["target"], d["generation"]) for d in one.deliveries() + two.deliveries()} == {
            (f"callback:{callback[0]}/{n}", n + 1) for n in range(3)
        }


def target(service: Running) -> str:
    answer = service.http.get("/api/v1/buckets/photos/rules")
    return str(answer.json()["rules"][0]["target"]["callbacks"][0]) if answer.is_success else ""


def test_callbacks_echo_before_they_get_events(tmp_path: Path, callback: tuple[str, Any]) -> None:
    url, seen = callback
    with running(tmp_path / "data", callback_verification="jd", log_level="error") as service:
        put(service, f"NS:{url}/echo,{url}/echo/2")
        assert sorted(path for _, path, _ in seen.asked) == ["/echo", "/echo/2"]
        with pytest.raises(ClientError) as refused:
            put(service, f"NS:{url}/echo,{url}/other")
        assert refused.value.response["Error"]["Code"] == "InvalidArgument"
        assert refused.value.response["Error"]["Message"] == "Topic is absent, verification failed"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert [path for _, path, _ in seen.asked[2:]] == ["/other"], "what has agreed is not asked again"
        rules = service.http.get("/api/v1/buckets/photos/rules").json()["rules"]
        assert [(rule["target"]["callbacks"], rule["verification"]) for rule in rules] == [
            ([f"{url}/echo", f"{url}/echo/2"], "jd")
        ]
        with pytest.raises(ClientError, match="verification failed"):
            put(service, "NS:http://10.0.0.1/", bucket="made-by-nobody")
        assert service.http.get("/api/v1/buckets/made-by-nobody").status_code == 404


def free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


def test_a_callback_kept_unverified_gets_its_events_when_it_agrees(tmp_path: Path, callback: tuple[str, Any]) -> None:
    url, seen = callback
    public = "https://triggers.example.com/ossfn"
    with running(tmp_path / "data", public_url=public, webhook_origin="me.example.com", webhook_rate="60") as service:
        service.http.put("/api/v1/buckets/photos", json={})
        hook = rule("hook", target={"callbacks": [f"{url}/hook"]}, verification="cloudevents")
        refused = service.http.post("/api/v1/buckets/photos/rules", json=hook)
        (fault,) = refused.json()["faults"]
        assert (refused.status_code, fault["field"], fault["limit"]) == (400, "target.callbacks[0]", "verification")
        assert "without WebHook-Allowed-Origin" in fault["advice"]
        given = ("--name", "hook", "--event", "s3:ObjectCreated:*", "--callback", f"{url}/hook")
        by_hand = ("rules", "add", "photos", *given, "--verification", "cloudevents")
        assert "verification failed" in cli(service, *by_hand).stderr
        assert cli(service, *by_hand, "--store-unverified").returncode == 0
        service.notify("waits.jpg")
        (target,) = service.http.get("/api/v1/targets").json()["targets"]
        assert (target["target"], target["pending"]) == (f"callback:{url}/hook", 1)
        assert target["paused_reason"].startswith("unverified: it answered OPTIONS without")
        (_, _, asked) = seen.asked[-1]
        assert (asked["webhook-request-origin"], asked["webhook-request-rate"]) == ("me.example.com", "60")
        link = urlsplit(asked["webhook-request-callback"].removeprefix(public))
        assert service.http.get(link.path + "x", params=link.query).status_code == 404
        assert seen.events == []
        assert service.http.post(f"{link.path}?{link.query}").status_code == 200
        service.until(lambda: seen.events == ["waits.jpg"])
        (delivery,) = service.until(lambda: service.deliveries(state="delivered"))
        said = cli(service, "explain", "--event-id", delivery["event_id"]).stdout.splitlines()
        assert said[-1] == "s3:ObjectCreated:Put of photos/waits.jpg: matched by rules of generation 2"
        assert re.search(r"hook +callback:\S+/hook +delivered +1 +200", said[-2])


def test_an_operator_may_keep_every_callback_on_hold(tmp_path: Path, callback: tuple[str, Any]) -> None:
    url, seen = callback
    with running(tmp_path / "data", callback_verification="jd", callback_unverified="pause") as service:
        put(service, f"NS:{url}/later")
        service.notify("waits.jpg")
        targets = json.loads(cli(service, "targets", "ls", "--json").stdout)["targets"]
        assert "is not the base64" in targets[0]["paused_reason"]
        assert cli(service, "targets", "resume", f"callback:{url}/later").returncode == 0
        service.until(lambda: seen.events == ["waits.jpg"])


def test_what_is_in_use_is_deleted_only_with_what_uses_it(tmp_path: Path, callback: tuple[str, Any]) -> None:
    with running(tmp_path / "data") as service:
        api = service.http
        api.put("/api/v1/functions/thumbs", json={"url": callback[0]}).raise_for_status()
        for bucket in ("one", "two"):
            api.put(f"/api/v1/buckets/{bucket}", json={}).raise_for_status()
            api.post(f"/api/v1/buckets/{bucket}/rules", json=rule("r", target={"function": "thumbs"}))
        triggers = api.get("/api/v1/functions/thumbs/triggers").json()
        assert (triggers["count"], triggers["limit"]) == (2, 10)
        assert [(trigger["bucket"], trigger["rule"]) for trigger in triggers["triggers"]] == [
            ("one", "r"),
            ("two", "r"),
        ]
        in_use = api.delete("/api/v1/functions/thumbs")
        assert (in_use.status_code, in_use.json()["users"]) == (409, ["one/r", "two/r"])
        refused = cli(service, "functions", "rm", "thumbs")
        assert refused.returncode != 0
        assert "one/r" in refused.stderr
        in_use = api.delete("/api/v1/buckets/one")
        assert (in_use.status_code, in_use.json()["users"]) == (409, ["r"])
        assert cli(service, "buckets", "rm", "one").returncode != 0
        with pytest.raises(ClientError, match="BucketNotEmpty"):
            s3(service).delete_bucket(Bucket="one")
        assert cli(service, "buckets", "rm", "one", "--cascade").returncode == 0
        assert api.get("/api/v1/functions/thumbs/triggers").json()["count"] == 1
        assert cli(service, "functions", "rm", "thumbs", "--cascade").returncode == 0
        assert api.get("/api/v1/functions/thumbs").status_code == 404
        assert api.get("/api/v1/buckets/two/rules").json() == {"rules": []}
        assert api.delete("/api/v1/buckets/two").status_code == 204


def test_tokens_and_owners(tmp_path: Path) -> None:
    tokens = {"ann": {"token": "write-me", "scope": "write"}, "eve": {"token": "read-me"}}
    with running(tmp_path / "data", api_tokens=json.dumps(tokens)) as service:
        ann, eve = ({"Authorization": f"Bearer {tokens[name]['token']}"} for name in ("ann", "eve"))
        api = service.http
        assert api.get("/api/v1/buckets").status_code == 401
        assert api.put("/api/v1/buckets/photos", json={"owner": "bob"}, headers=eve).status_code == 403
        assert api.put("/api/v1/buckets/photos", json={"owner": "bob"}, headers=ann).status_code == 201
        history = api.get("/api/v1/buckets/photos/history", headers=eve).json()["changes"]
        assert [change["actor"] for change in history] == ["ann"]
        with pytest.raises(ClientError, match="AccessDenied"):
            put(service, "NS:http://127.0.0.1/")


def test_limits_may_be_widened(tmp_path: Path) -> None:
    with running(tmp_path / "data", limits__callbacks_per_rule="6", s3_hosts='["oss.example.com"]') as service:
        put(service, "NS:" + ",".join(f"http://127.0.0.1/{n}" for n in range(6)))
        with pytest.raises(ClientError, match="1 to 6"):
            put(service, "NS:" + ",".join(f"http://127.0.0.1/{n}" for n in range(7)))
        with httpx.Client(base_url=f"http://127.0.0.1:{service.s3_port}") as http:
            refused = http.get("/", params="location", headers={"Host": "photos.oss.example.com"})
            assert (refused.status_code, "<Code>AccessDenied" in refused.text) == (403, True)
