"""Authors' folders, zips of them, and a place that hosts them."""

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path

import httpx
import pytest

from ossfn.functions.service import Functions

STRUCTURED = {"content-type": "application/cloudevents+json"}
EVENT = (
    b'{"specversion":"1.0","id":"1","source":"/bucket","type":"com.amazonaws.s3.objectcreated","data":{"key":"a.txt"}}'
)


@pytest.fixture(scope="session")
def zipped() -> Callable[..., bytes]:
    """Makes a bundle of files given by name: `zipped({"main.py": "…"})`."""

    def make(files: Mapping[str, str]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return buffer.getvalue()

    return make


@pytest.fixture
async def functions(tmp_path: Path) -> AsyncIterator[Functions]:
    """An open service with an empty data directory."""
    async with Functions(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def send(functions: Functions) -> Callable[..., Coroutine[None, None, httpx.Response]]:
    """Sends a CloudEvent to a hosted function, as the dispatcher does."""

    async def post(name: str, timeout_seconds: float = 20) -> httpx.Response:
        address = functions.address_of(name)
        assert address
        assert address.startswith("unix:")
        transport = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport, timeout=timeout_seconds) as client:
            return await client.post("http://function/", content=EVENT, headers=STRUCTURED)

    return post
