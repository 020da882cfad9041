"""A running ossfn for the demo: started as anyone would start it, spoken to through its own command line and APIs."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ossfn.adapter.demo.processes import Running, program, run, running
from ossfn.adapter.demo.s3 import S3Endpoint
from ossfn.adapter.demo.story import TriggerRule

READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Service:
    """A service on loopback."""

    url: str
    console: str
    s3: S3Endpoint
    http: httpx.Client

    @property
    def ingest_url(self) -> str:
        """Where stores post notifications to."""
        return f"{self.url}/ingest/auto"

    def deploy(self, folder: Path, name: str, env: Mapping[str, str]) -> None:
        """Deploy a sample function with this environment, through the command line."""
        settings = [part for item in env.items() for part in ("--env", "=".join(item))]
        ossfn = [program("ossfn"), "--server", self.url]
        run([*ossfn, "functions", "deploy", str(folder), "--name", name, *settings])

    def put_rules(self, rules: Sequence[TriggerRule]) -> None:
        """Set every bucket's rules through the S3 notification API, as any S3 tool would."""
        s3 = self.s3.client()
        for bucket in {rule.bucket for rule in rules}:
            triggers = [_lambda_configuration(rule) for rule in rules if rule.bucket == bucket]
            configuration = {"LambdaFunctionConfigurations": triggers}
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)

    def notify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Post a notification as a store would."""
        self.http.post(self.ingest_url, headers=dict(headers), content=body).raise_for_status()

    def deliveries(self) -> list[dict[str, Any]]:
        """The last 200 deliveries, oldest first."""
        return list(reversed(self._get("/api/v1/deliveries?limit=200")["deliveries"]))

    def attempts(self, delivery_id: str) -> list[dict[str, Any]]:
        """Every try of one delivery."""
        attempts: list[dict[str, Any]] = self._get(f"/api/v1/deliveries/{delivery_id}")["attempts"]
        return attempts

    def _get(self, path: str) -> Any:
        return self.http.get(self.url + path).raise_for_status().json()


@contextlib.contextmanager
def ossfn_up(directory: Path) -> Iterator[Service]:
    """`ossfn up` on free ports with all its data in `directory`, ready when the block begins, gone when it ends."""
    command = [program("ossfn"), "up", "--data", str(directory / "ossfn"), "--port", "0", "--s3-port", "0"]
    with running(command, directory / "ossfn.log") as process, httpx.Client(trust_env=False, timeout=30) as http:
        ready = process.wait_until(lambda: _ready_line(process), READY_SECONDS)
        s3 = S3Endpoint(f"http://127.0.0.1:{ready['s3_port']}", "ossfn", "ossfn-local", "cn-north-1")
        yield Service(f"http://127.0.0.1:{ready['port']}", ready["console"], s3, http)


def _ready_line(process: Running) -> dict[str, Any] | None:
    # What follows the last line break may be half a line.
    for line in process.log.read_text(errors="replace").split("\n")[:-1]:
        if line.startswith('{"ready"'):
            ready: dict[str, Any] = json.loads(line)
            return ready
    return None


def _lambda_configuration(rule: TriggerRule) -> dict[str, Any]:
    filters = [{"Name": "prefix", "Value": rule.prefix}, {"Name": "suffix", "Value": rule.suffix}]
    return {
        "Id": rule.name,
        "LambdaFunctionArn": rule.function,
        "Events": list(rule.events),
        "Filter": {"Key": {"FilterRules": filters}},
    }
