"""The quarantine sample asks a scanner that speaks clamd's protocol about objects of a real store."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.samples.conftest import Sample, Serve

from ossfn.adapter.demo.s3 import S3Endpoint

pytestmark = pytest.mark.slow

KEY = "in/发票 1.pdf"
VIRUS = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Clamd(socketserver.StreamRequestHandler):
    """INSTREAM of clamd(8): pieces with their lengths, ended by an empty one."""

    def handle(self) -> None:
        """Answer one scan."""
        assert self.rfile.read(10) == b"zINSTREAM\0"
        content = b""
        while length := struct.unpack("!I", self.rfile.read(4))[0]:
            content += self.rfile.read(length)
        if b"TOO LARGE" in content:
            self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
        else:
            self.wfile.write(b"stream: Eicar-Signature FOUND\0" if VIRUS in content else b"stream: OK\0")


@pytest.fixture(scope="module")
def clamd() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Clamd) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def s3(store: S3Endpoint) -> Iterator[Any]:
    client = store.client()
    for bucket in ("uploads", "quarantine"):
        client.create_bucket(Bucket=bucket)
    yield client
    client.close()


@pytest.fixture(scope="module")
def sample(serve: Serve, store: S3Endpoint, clamd: str) -> Sample:
    return serve("quarantine", {**store.environment(), "QUARANTINE_BUCKET": "quarantine", "CLAMD": clamd})


def keys(s3: Any, bucket: str) -> list[str]:
    return [thing["Key"] for thing in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_what_is_infected_moves_away(sample: Sample, s3: Any) -> None:
    s3.put_object(Bucket="uploads", Key=KEY, Body=b"x" * 200_000 + VIRUS)
    for _ in range(2):
        assert sample.send().status_code == 200
    assert KEY not in keys(s3, "uploads")
    found = s3.get_object(Bucket="quarantine", Key=f"uploads/{KEY}")
    assert found["Body"].read().endswith(VIRUS)
    assert found["Metadata"] == {"virus": "Eicar-Signature"}


def test_what_is_clean_stays(sample: Sample, s3: Any) -> None:
    for content in (b"fine", b""):
        s3.put_object(Bucket="uploads", Key="clean", Body=content)
        assert sample.send(key="clean").status_code == 200
        assert "clean" in keys(s3, "uploads")


def test_what_the_scanner_does_not_say_is_asked_again(sample: Sample, s3: Any) -> None:
    s3.put_object(Bucket="uploads", Key="large", Body=b"TOO LARGE")
    assert sample.send(key="large").status_code == 500
    assert "large" in keys(s3, "uploads")


def test_quarantine_is_not_scanned(sample: Sample, s3: Any) -> None:
    assert sample.send(bucket="quarantine").status_code == 422
    with pytest.raises(ClientError):
        s3.head_object(Bucket="quarantine", Key=KEY)
