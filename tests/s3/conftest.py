"""A live S3 notification API: a real server on loopback with a real registry, and a signer to speak to it raw."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import uvicorn
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from starlette.applications import Starlette

from ossfn.trigger_registry.keys import KeyRing
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.s3_api import s3_app
from ossfn.trigger_registry.stores.sql import SqlRuleStore


class Functions(dict[str, str]):
    """The functions that exist, with their regions."""

    def region_of(self, name: str) -> str | None:
        return self.get(name)


@dataclass
class Endpoint:
    """The API as a client sees it, and what stands behind it."""

    url: str
    registry: Registry
    keys: KeyRing
    functions: Functions
    http: httpx.Client
    access_key: str = "ossfn"
    secret: str = "ossfn-local"

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request, signed as boto3 signs; `headers` are signed too."""
        request = AWSRequest(method=method, url=self.url + path, data=body, headers=dict(headers or {}))
        S3SigV4Auth(Credentials(self.access_key, self.secret), "s3", "us-east-1").add_auth(request)
        return self.http.request(method, self.url + path, content=body, headers=dict(request.headers.items()))

    def presigned(self, method: str, path: str, seconds: int = 60) -> str:
        """A URL that anyone may use for so long."""
        request = AWSRequest(method=method, url=self.url + path)
        S3SigV4QueryAuth(Credentials(self.access_key, self.secret), "s3", "us-east-1", seconds).add_auth(request)
        url: str = request.url
        return url

    def boto3(self, **config: Any) -> Any:
        """A boto3 client; the caller closes it."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret,
            region_name=config.pop("region_name", "cn-north-1"),
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


class Server:
    """A uvicorn server in a thread."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def functions() -> Functions:
    return Functions(f1="cn-north-1", f2="cn-north-1", thumbs="cn-north-1")


@pytest.fixture
def registry(tmp_path: Path, functions: Functions) -> Iterator[Registry]:
    names = (f"made{n:016}" for n in itertools.count())
    store = SqlRuleStore(f"sqlite:///{tmp_path}/registry.db")
    registry = Registry(store, functions, clock=time.time, new_name=lambda: next(names))
    registry.open()
    for name in ("hook", "hook2", "s3-queue", "s3-topic"):
        registry.put_callback(name, [f"https://example.com/{name}"], actor="test")
    yield registry
    registry.close()


@pytest.fixture
def keys(tmp_path: Path, registry: Registry) -> Iterator[KeyRing]:
    ring = KeyRing(f"sqlite:///{tmp_path}/registry.db", tmp_path / "master.key", clock=time.time, local_key=True)
    ring.open()
    yield ring
    ring.close()


@pytest.fixture
def app(registry: Registry, keys: KeyRing) -> Starlette:
    ids = itertools.count(1)
    return s3_app(registry, keys, clock=time.time, new_request_id=lambda: f"{next(ids):016X}", auto_create_buckets=True)


@pytest.fixture
def s3(app: Starlette, registry: Registry, keys: KeyRing, functions: Functions) -> Iterator[Endpoint]:
    with Server(app) as url, httpx.Client() as http:
        yield Endpoint(url, registry, keys, functions, http)
