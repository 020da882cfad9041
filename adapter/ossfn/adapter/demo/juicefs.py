"""A real S3 store on loopback: the JuiceFS gateway, whose S3 layer and notifications are MinIO's own code."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from ossfn.adapter.demo.processes import Running, free_port, program, run, running
from ossfn.adapter.demo.s3 import S3Endpoint

READY_SECONDS = 15.0


def store_on_free_port() -> S3Endpoint:
    """Where a gateway can be started, known before it is."""
    return S3Endpoint(f"http://127.0.0.1:{free_port()}", "demo-access-key", "demo-secret-key")


def webhook_arn(name: str) -> str:
    """How a bucket's notification configuration names the gateway's webhook `name`."""
    return f"arn:minio:sqs::{name}:webhook"


def format_volume(directory: Path) -> None:
    """Make an empty volume in this directory: metadata in SQLite, data in files."""
    directory.mkdir(exist_ok=True)
    data = f"{directory / 'data'}/"
    command = [program("juicefs"), "format", "--storage", "file", "--bucket", data, "--trash-days", "0"]
    run([*command, _meta(directory), "demo"])


@contextlib.contextmanager
def gateway(directory: Path, store: S3Endpoint, webhooks: Mapping[str, str]) -> Iterator[Running]:
    """Serve the volume of this directory as `store` while the block runs; it is ready when the block begins.

    `webhooks` maps names to the URLs that notifications are posted to; the gateway sends each a HEAD before it serves,
    so they must answer by then.
    """
    address = store.url.removeprefix("http://")
    quiet = ["--no-usage-report", "--no-agent", "--no-banner", "--no-bgjob"]
    like_s3 = ["--multi-buckets", "--keep-etag", "--object-tag", "--object-meta"]
    places = ["--cache-dir", "memory", "--metrics", "127.0.0.1:0"]
    command = [program("juicefs"), "gateway", *quiet, *like_s3, *places, _meta(directory), address]
    with running(command, directory / "gateway.log", _environment(store, webhooks)) as process:
        process.wait_until(lambda: _answers(store), READY_SECONDS)
        yield process


def _environment(store: S3Endpoint, webhooks: Mapping[str, str]) -> dict[str, str]:
    environment = {"MINIO_ROOT_USER": store.access_key, "MINIO_ROOT_PASSWORD": store.secret_key}
    for name, url in webhooks.items():
        environment[f"MINIO_NOTIFY_WEBHOOK_ENABLE_{name}"] = "on"
        environment[f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{name}"] = url
    return environment


def _answers(store: S3Endpoint) -> bool | None:
    try:
        return httpx.get(f"{store.url}/minio/health/live", timeout=1.0, trust_env=False).is_success or None
    except httpx.TransportError:
        return None


def _meta(directory: Path) -> str:
    return f"sqlite3://{directory / 'meta.db'}"
