"""Clients that would wear the service out, at both of its ports."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.service.conftest import Running, running

pytestmark = pytest.mark.slow


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service with little patience and few places."""
    with running(tmp_path / "data", log_level="error", request_seconds="0.5", max_connections="5") as service:
        yield service


@pytest.fixture(params=["main", "s3"])
def address(request: pytest.FixtureRequest, service: Running) -> tuple[str, int]:
    """Where each door is."""
    return "127.0.0.1", (service.http.base_url.port or 80) if request.param == "main" else service.s3_port


def test_who_sends_slowly_is_cut_off_and_who_comes_too_many_is_told_so(
    service: Running, address: tuple[str, int]
) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address, timeout=5)) for _ in range(5)]
        for sock in slow:
            sock.sendall(b"POST /ingest/auto HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        one_more = stack.enter_context(socket.create_connection(address, timeout=5))
        assert one_more.recv(1000).startswith(b"HTTP/1.1 503 Service Unavailable")
        start = time.monotonic()
        for sock in slow:
            assert sock.recv(1000).startswith(b"HTTP/1.1 408 Request Timeout")
        assert time.monotonic() - start < 2
    assert service.http.get("/readyz").status_code == 200
    assert service.notify("a.jpg").status_code == 200
