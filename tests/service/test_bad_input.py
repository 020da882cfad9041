"""Whatever is posted to ingest: a 4xx that names the place, nothing stored, the service unharmed."""

import json
import socket
from typing import Any

import pytest

from .conftest import Running

pytestmark = pytest.mark.slow


def record(**changes: Any) -> dict[str, Any]:
    """A good record with these members changed; None takes one out."""
    good: dict[str, Any] = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "cn-north-1", "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-22T15:57:26.221Z",
        "s3": {"bucket": {"name": "photos"}, "object": {"key": "a"}},
    }  # fmt: skip
    return {name: value for name, value in (good | changes).items() if value is not None}


def body(*records: object) -> bytes:
    return json.dumps({"Records": records}).encode()


BAD = {
    "empty": (b"", 400, "$"),
    "not JSON": (b"hello", 400, "byte"),
    "JSON cut short": (body(record())[:-3], 400, "$"),
    "a list": (b"[1, 2]", 400, "$"),
    "no known shape": (b'{"hello": "world"}', 400, "$"),
    "no records": (body(), 400, "Records"),
    "ten thousand records": (body(*[record()] * 10_000), 400, "Records"),
    "no bucket": (body(record(s3={"object": {"key": "a"}})), 400, "Records[0].s3.bucket"),
    "no key": (body(record(), record(s3={"bucket": {"name": "b"}, "object": {}})), 400, "Records[1].s3.object.key"),
    "a number for a key": (
        body(record(s3={"bucket": {"name": "b"}, "object": {"key": 7}})), 400, "Records[0].s3.object.key",
    ),
    "no event name": (body(record(eventName=None)), 400, "Records[0].eventName"),
    "no time that can be read": (body(record(eventTime="yesterday")), 400, "Records[0].eventTime"),
    "a key of 1,025 bytes": (
        body(record(s3={"bucket": {"name": "b"}, "object": {"key": "é" * 512 + "x"}})), 400, "Records[0].s3.object.key",
    ),
    "bytes that are not UTF-8": (body(record()).replace(b'"a"', b'"\xff\xfe"'), 400, ""),
    "a key that does not decode to UTF-8": (
        body(record(s3={"bucket": {"name": "b"}, "object": {"key": "%FF%FE"}})), 400, "Records[0].s3.object.key",
    ),
    "ten thousand deep": (b'{"Records":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, ""),
    "ten thousand deep inside a record": (
        body(record()).replace(b'"2.1"', b'{"a":' * 10_000 + b"1" + b"}" * 10_000), 400, "",
    ),
    "seven mebibytes": (b" " * (7 * 1024 * 1024), 413, None),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_notifications_are_refused_with_their_place(service: Running, case: str) -> None:
    posted, status, place = BAD[case]
    before = service.stats()
    answer = service.http.post("/ingest/auto", content=posted)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if place is not None:
        assert answer.json()["place"].startswith(place), answer.text
        assert answer.json()["detail"]
    assert service.stats() == before
    assert service.http.get("/readyz").status_code == 200


def test_an_unknown_source_is_told_the_known_ones(service: Running) -> None:
    answer = service.http.post("/ingest/nobody", content=body(record()))
    assert answer.status_code == 404
    assert "minio" in answer.json()["detail"]


def test_a_store_that_probes_is_answered(service: Running) -> None:
    assert service.http.head("/ingest/auto").status_code == 200
    assert service.http.get("/ingest/minio").json() == {"source": "minio", "dialect": "minio"}
    assert service.http.delete("/ingest/auto").status_code == 405


def test_a_client_that_goes_away_half_way_stores_nothing(service: Running) -> None:
    before = service.stats()
    with socket.create_connection((service.http.base_url.host, service.http.base_url.port or 80)) as sock:
        sock.sendall(b"POST /ingest/auto HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + body(record())[:100])
    assert service.stats() == before
    assert service.http.get("/readyz").status_code == 200


def test_a_body_without_a_length_is_capped_too(service: Running) -> None:
    answer = service.http.post("/ingest/auto", content=(b" " * 1024 * 1024 for _ in range(8)))
    assert answer.status_code == 413
