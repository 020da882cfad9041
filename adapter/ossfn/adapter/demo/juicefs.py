"""A real S3 store on loopback: the JuiceFS gateway, whose S3 layer and notifications are MinIO's own code."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx

from ossfn.adapter.demo.processes import Running, program, run, running

READY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Store:
    """Where an S3 store listens, and the keys that open it."""

    endpoint: str
    access_key: str = "demo-access-key"
    secret_key: str = "demo-secret-key"  # noqa: S105 - of a store that lives for a minute on loopback

    def environment(self) -> dict[str, str]:
        """The variables with which a plain `boto3.client("s3")` in another process finds this store."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """A boto3 client of this store."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )


def webhook_arn(name: str) -> str:
    """How a bucket's notification configuration names the gateway's webhook `name`."""
    return f"arn:minio:sqs::{name}:webhook"


def format_volume(directory: Path) -> None:
    """Make an empty volume in this directory: metadata in SQLite, data in files."""
    data = f"{directory / 'data'}/"
    command = [program("juicefs"), "format", "--storage", "file", "--bucket", data, "--trash-days", "0"]
    run([*command, _meta(directory), "demo"])


@contextlib.contextmanager
def gateway(directory: Path, store: Store, webhooks: Mapping[str, str]) -> Iterator[Running]:
    """Serve the volume of this directory as `store` while the block runs; it is ready when the block begins.

    `webhooks` maps names to the URLs that notifications are posted to; the gateway sends each a HEAD before it serves,
    so they must answer by then.
    """
    address = store.endpoint.removeprefix("http://")
    quiet = ["--no-usage-report", "--no-agent", "--no-banner", "--no-bgjob"]
    like_s3 = ["--multi-buckets", "--keep-etag", "--object-tag", "--object-meta"]
    places = ["--cache-dir", "memory", "--metrics", "127.0.0.1:0"]
    command = [program("juicefs"), "gateway", *quiet, *like_s3, *places, _meta(directory), address]
    with running(command, directory / "gateway.log", _environment(store, webhooks)) as process:
        process.wait_until(lambda: _answers(store), READY_SECONDS)
        yield process


def _environment(store: Store, webhooks: Mapping[str, str]) -> dict[str, str]:
    environment = {"MINIO_ROOT_USER": store.access_key, "MINIO_ROOT_PASSWORD": store.secret_key}
    for name, url in webhooks.items():
        environment[f"MINIO_NOTIFY_WEBHOOK_ENABLE_{name}"] = "on"
        environment[f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{name}"] = url
    return environment


def _answers(store: Store) -> bool | None:
    try:
        return httpx.get(f"{store.endpoint}/minio/health/live", timeout=1.0, trust_env=False).is_success or None
    except httpx.TransportError:
        return None


def _meta(directory: Path) -> str:
    return f"sqlite3://{directory / 'meta.db'}"
