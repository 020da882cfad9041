"""The S3 notification API on the wire: who may do what, what is refused and how, and what HTTP itself brings along."""

import itertools
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from defusedxml import ElementTree
from starlette.applications import Starlette

from ossfn.trigger_registry.keys import KeyRing
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import Callback, KeyFilter, Rule
from ossfn.trigger_registry.s3_api import s3_app
from ossfn.trigger_registry.stores.sql import SqlRuleStore

from .conftest import Endpoint, Functions, Server

EMPTY = b"<NotificationConfiguration/>"
RULE = b"""<NotificationConfiguration><CloudFunctionConfiguration>
<Id>arn:cdk:a/b</Id><CloudFunction>thumbs</CloudFunction><Event>s3:ObjectCreated:*</Event>
</CloudFunctionConfiguration></NotificationConfiguration>"""


def error(answer: httpx.Response) -> tuple[int, str | None]:
    assert answer.headers["content-type"] == "application/xml"
    return answer.status_code, ElementTree.fromstring(answer.text).findtext("Code")


def signed_in(s3: Endpoint, owner: str) -> Endpoint:
    key, secret = s3.keys.add(owner)
    return Endpoint(s3.url, s3.registry, s3.keys, s3.functions, s3.http, key.access_key, secret)


def test_every_answer_has_its_ids(s3: Endpoint) -> None:
    for answer in (s3.send("PUT", "/photos"), s3.send("GET", "/photos?notification"), s3.send("HEAD", "/none")):
        assert len(answer.headers["x-amz-request-id"]) == 16
        assert answer.headers["x-amz-id-2"]
    refused = s3.send("GET", "/none?notification")
    assert f"<RequestId>{refused.headers['x-amz-request-id']}</RequestId>" in refused.text
    assert "<statusCode>404</statusCode><Code>NoSuchBucket</Code>" in refused.text
    assert "<Resource>/none</Resource>" in refused.text


def test_a_bucket_is_its_owners(s3: Endpoint) -> None:
    alice, bob = signed_in(s3, "alice"), signed_in(s3, "bob")
    assert alice.send("PUT", "/photos?notification", RULE).status_code == 200
    for method, path in [("PUT", "/photos?notification"), ("GET", "/photos?notification"), ("GET", "/photos?location")]:
        assert error(bob.send(method, path, EMPTY if method == "PUT" else b"")) == (403, "AccessDenied")
    assert bob.send("HEAD", "/photos").status_code == 403
    assert error(bob.send("DELETE", "/photos")) == (403, "AccessDenied")
    assert error(bob.send("PUT", "/photos")) == (409, "BucketAlreadyExists")
    assert b"photos" not in bob.send("GET", "/").content
    assert b"<Name>photos</Name>" in signed_in(s3, "alice").send("GET", "/").content
    assert s3.registry.history("photos")[0].actor == alice.access_key


def test_a_bucket_without_owner_is_everyones(s3: Endpoint) -> None:
    s3.registry.put_bucket("shared", actor="test")
    assert signed_in(s3, "alice").send("PUT", "/shared?notification", RULE).status_code == 200
    assert signed_in(s3, "bob").send("GET", "/shared?notification").status_code == 200
    assert s3.registry.bucket("shared").owner == ""


def test_the_local_key_ends_with_the_first_real_one(s3: Endpoint) -> None:
    assert s3.send("GET", "/").status_code == 200
    alice = signed_in(s3, "alice")
    assert error(s3.send("GET", "/")) == (403, "InvalidAccessKeyId")
    s3.keys.rm(alice.access_key)
    assert error(alice.send("GET", "/")) == (403, "InvalidAccessKeyId")


def test_with_the_local_key_only_this_machine_is_answered(s3: Endpoint) -> None:
    port = s3.url.rpartition(":")[2]
    for host in (f"LOCALHOST:{port}", "127.0.0.2", "[::1]:1", "photos.localhost", "s3.cn-north-1.jdcloud-oss.com"):
        answer = s3.send("PUT", "/photos?notification", RULE, headers={"Host": host, "Origin": f"http://{host}"})
        assert answer.status_code != 403, host
    for host in (f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
        answer = s3.send("PUT", "/stolen?notification", RULE, headers={"Host": host})
        assert error(answer) == (403, "AccessDenied")
        assert "s3_hosts" in answer.text
    for origin in ("https://evil.example", "null", "", "http://localhost:1"):
        answer = s3.send("PUT", "/stolen?notification", RULE, headers={"Origin": origin})
        assert error(answer) == (403, "AccessDenied")
    assert "stolen" not in [bucket.name for bucket in s3.registry.buckets()]
    elsewhere = {"Host": "s3.example.com", "Origin": "https://console.example.com"}
    assert signed_in(s3, "alice").send("GET", "/", headers=elsewhere).status_code == 200


def test_an_unknown_virtual_host_is_told_which_setting_knows_it(s3: Endpoint) -> None:
    alice = signed_in(s3, "alice")
    for method, path in (("GET", "/?notification"), ("PUT", "/?notification"), ("GET", "/?location")):
        answer = alice.send(method, path, headers={"Host": "photos.oss.example.com"})
        assert error(answer) == (400, "InvalidRequest")
        assert "photos.oss.example.com" in answer.text
        assert "s3_hosts" in answer.text


def test_nobody_gets_in_without_a_signature(s3: Endpoint) -> None:
    assert error(s3.http.get(f"{s3.url}/photos?notification")) == (403, "AccessDenied")
    assert error(s3.http.put(f"{s3.url}/photos?notification", content=EMPTY)) == (403, "AccessDenied")
    old = s3.http.get(f"{s3.url}/photos", headers={"Authorization": "AWS ossfn:c2lnbmF0dXJl"})
    assert error(old) == (400, "InvalidRequest")
    assert "AWS4-HMAC-SHA256" in old.text
    s3.secret = "wrong"
    assert error(s3.send("GET", "/")) == (403, "SignatureDoesNotMatch")
    assert s3.registry.buckets() == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/", 405, "MethodNotAllowed"),
        ("DELETE", "/photos?notification", 405, "MethodNotAllowed"),
        ("HEAD", "/photos?notification", 405, ""),
        ("PUT", "/photos?location", 405, "MethodNotAllowed"),
        ("PATCH", "/photos", 405, "MethodNotAllowed"),
        ("GET", "/photos", 501, "NotImplemented"),
        ("GET", "/photos?list-type=2", 501, "NotImplemented"),
        ("PUT", "/photos?acl", 501, "NotImplemented"),
        ("GET", "/photos?notification&versioning", 501, "NotImplemented"),
        ("PUT", "/photos/a/b.jpg", 501, "NotImplemented"),
        ("GET", "/photos/a%0Ab", 501, "NotImplemented"),
        ("GET", "//photos", 501, "NotImplemented"),
        ("PUT", "/%21", 400, "InvalidBucketName"),
        ("PUT", "/%FF", 400, "InvalidBucketName"),
        ("PUT", "/%21?notification", 400, "InvalidBucketName"),
        ("GET", "/?x-id=ListBuckets", 200, ""),
        ("PUT", "/photos?x-id=CreateBucket", 200, ""),
    ],
)
def test_what_is_there_and_what_is_not(s3: Endpoint, method: str, path: str, status: int, code: str) -> None:
    answer = s3.send(method, path, EMPTY if "notification" in path and method == "PUT" else b"")
    assert answer.status_code == status
    if code:
        assert error(answer) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)


def test_regions(s3: Endpoint) -> None:
    body = b"<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>"
    assert s3.send("PUT", "/east", body % b"cn-east-1").status_code == 200
    assert s3.send("PUT", "/east", body % b"cn-east-1").status_code == 200
    assert s3.send("PUT", "/east").status_code == 200
    assert error(s3.send("PUT", "/east", body % b"cn-south-1")) == (409, "BucketAlreadyOwnedByYou")
    assert error(s3.send("PUT", "/west", body % b"no/where")) == (400, "InvalidLocationConstraint")
    assert error(s3.send("PUT", "/west", b"no xml")) == (400, "MalformedXML")
    assert s3.registry.bucket("east").region == "cn-east-1"
    in_beijing_only = s3.send("PUT", "/east?notification", RULE)
    assert error(in_beijing_only) == (400, "InvalidArgument")
    assert "region" in in_beijing_only.text


def test_reading_and_writing_back_loses_nothing(s3: Endpoint) -> None:
    s3.send("PUT", "/photos?notification", RULE)
    rule = replace(s3.registry.bucket("photos").rules[0], ordered=True, enabled=False, format="jd-notification")
    s3.registry.put_rule("photos", rule, actor="json api")
    before = s3.registry.bucket("photos")
    document = s3.send("GET", "/photos?notification").content
    assert s3.send("PUT", "/photos?notification", document).status_code == 200
    assert s3.registry.bucket("photos") == before
    s3.send("PUT", "/photos?notification", document.replace(b"s3:ObjectCreated:*", b"s3:ObjectRemoved:*"))
    assert s3.registry.bucket("photos").rules == (replace(rule, events=("s3:ObjectRemoved:*",)),)


def test_a_rule_made_elsewhere_is_spelled_out(s3: Endpoint) -> None:
    s3.send("PUT", "/photos")
    targets = (Callback("http://a.example/"), Callback("http://b.example/"))
    s3.registry.put_rule("photos", Rule("r", ("s3:ObjectCreated:*",), KeyFilter("a%41/"), targets), actor="json api")
    document = s3.send("GET", "/photos?notification").content
    assert b"<Topic>NS:http://a.example/,http://b.example/</Topic>" in document
    before = s3.registry.bucket("photos")
    assert s3.send("PUT", "/photos?notification", document).status_code == 200
    assert s3.registry.bucket("photos") == before


def test_the_largest_document(s3: Endpoint) -> None:
    s3.send("PUT", "/photos?notification", RULE)
    most = Limits().document_bytes
    assert s3.send("PUT", "/photos?notification", RULE + b" " * (most - len(RULE))).status_code == 200
    assert error(s3.send("PUT", "/photos?notification", EMPTY.ljust(most + 1))) == (400, "MaxMessageLengthExceeded")
    in_chunks = s3.http.put(s3.presigned("PUT", "/photos?notification"), content=itertools.repeat(b" " * 65536, 17))
    assert error(in_chunks) == (400, "MaxMessageLengthExceeded")
    assert len(s3.registry.bucket("photos").rules) == 1


def test_chunked_bodies(s3: Endpoint) -> None:
    url = s3.presigned("PUT", "/photos?notification")
    assert s3.http.put(url, content=iter([RULE[:50], RULE[50:]])).status_code == 200
    assert [rule.id for rule in s3.registry.bucket("photos").rules] == ["arn:cdk:a/b"]


def exchange(s3: Endpoint, head: str, body: bytes) -> tuple[bytes, bytes]:
    """Send a head that expects 100-continue; what comes before and, once the body is sent, after."""
    host, _, port = s3.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            f"{head}\r\nHost: {host}:{port}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode()
        )
        first = connection.recv(65536)
        connection.sendall(body)
        rest = b""
        while more := connection.recv(65536):
            rest += more
    return first, rest


def test_expect_100_continue(s3: Endpoint) -> None:
    target = s3.presigned("PUT", "/photos?notification").removeprefix(s3.url)
    first, rest = exchange(s3, f"PUT {target} HTTP/1.1\r\nContent-Length: {len(RULE)}", RULE)
    assert first.startswith(b"HTTP/1.1 100 ")
    assert rest.startswith(b"HTTP/1.1 200 ")
    first, _ = exchange(s3, f"PUT {target} HTTP/1.1\r\nContent-Length: {Limits().document_bytes + 1}", b"")
    assert first.startswith(b"HTTP/1.1 400 "), "a body that is too long is not even asked for"


def test_a_client_that_hangs_up(s3: Endpoint) -> None:
    host, _, port = s3.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"PUT /photos?notification HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n<a".encode())
    assert s3.send("GET", "/").status_code == 200


@pytest.fixture
def strict(tmp_path: Path, functions: Functions) -> Iterator[Endpoint]:
    """As it is with a configuration: no bucket by itself, no local key, and `oss.example.com` for virtual hosts."""
    url = f"sqlite:///{tmp_path}/other.db"
    registry = Registry(SqlRuleStore(url), functions, clock=time.time, new_name=lambda: "made")
    keys = KeyRing(url, tmp_path / "other.key", clock=time.time)
    registry.open()
    keys.open()
    app = s3_app(
        registry, keys, clock=time.time, new_request_id=lambda: "0" * 16, endpoint_hosts=[r"oss\.example\.com"]
    )
    with Server(app) as address, httpx.Client() as http:
        key, secret = keys.add("alice")
        yield Endpoint(address, registry, keys, functions, http, key.access_key, secret)
    keys.close()
    registry.close()


def test_no_bucket_is_made_by_itself_unless_asked_for(strict: Endpoint) -> None:
    assert error(strict.send("PUT", "/photos?notification", RULE)) == (404, "NoSuchBucket")
    assert strict.registry.buckets() == []


def test_configured_endpoint_hosts(strict: Endpoint) -> None:
    strict.send("PUT", "/my.photos")
    for host, status in {"my.photos.oss.example.com": 200, "my.photos.localhost": 404}.items():
        assert strict.send("HEAD", "/", headers={"Host": host}).status_code == (status if status == 200 else 405)
    assert strict.send("PUT", "/", headers={"Host": "new.oss.example.com"}).status_code == 200
    assert [bucket.name for bucket in strict.registry.buckets()] == ["my.photos", "new"]


def test_many_first_puts_at_once(s3: Endpoint) -> None:
    wrong = RULE.replace(b"thumbs", b"none")
    bodies = [wrong if n % 3 == 0 else RULE for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda body: s3.send("PUT", "/photos?notification", body), bodies))
    assert [answer.status_code for answer in answers] == [400 if body is wrong else 200 for body in bodies]
    assert len(s3.registry.bucket("photos").rules) == 1


def test_another_process_has_changed_the_bucket(s3: Endpoint, tmp_path: Path, functions: Functions) -> None:
    other = Registry(
        SqlRuleStore(f"sqlite:///{tmp_path}/registry.db"), functions, clock=time.time, new_name=lambda: "x"
    )
    other.open()
    other.put_bucket("photos", actor="other", owner="alice")
    other.close()
    assert error(s3.send("PUT", "/photos?notification", RULE)) == (403, "AccessDenied")


def test_a_store_that_does_not_answer(s3: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    s3.send("PUT", "/photos?notification", RULE)
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        connection.execute("ALTER TABLE registry_state RENAME TO away")
    answer = s3.send("PUT", "/photos?notification", EMPTY)
    assert error(answer) == (503, "ServiceUnavailable")
    assert answer.headers["retry-after"] == "2"
    assert "registry_state" not in answer.text
    assert "registry_state" in caplog.text
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        connection.execute("ALTER TABLE away RENAME TO registry_state")
    connection.close()
    assert s3.send("PUT", "/photos?notification", EMPTY).status_code == 200


async def test_a_bug_of_ours_is_answered_in_xml(registry: Registry, keys: KeyRing) -> None:
    def broken_clock() -> float:
        raise ZeroDivisionError

    app: Starlette = s3_app(registry, keys, clock=broken_clock, new_request_id=lambda: "0" * 16)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        query: dict[str, Any] = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "ossfn/20260101/r/s3/aws4_request",
        }
        query |= {
            "X-Amz-Date": "20260101T000000Z",
            "X-Amz-Expires": 9,
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": "0",
        }
        assert error(await http.get("/", params=query)) == (500, "InternalError")
