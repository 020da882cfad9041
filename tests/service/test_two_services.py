"""One service calls another back: signed on the way out, checked on the way in, the secret changed over in between."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.conftest import Running, running

pytestmark = pytest.mark.slow

OLD, NEW, OTHER = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in range(3))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    """Takes what is signed with one secret from `peer`, with another from `stranger`."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ossfn.toml").write_text(
        f"""
[sources.peer]
dialect = "cloudevents"
auth = {{ kind = "standard-webhooks", secrets = ["{OLD}"] }}

[sources.stranger]
auth = {{ kind = "standard-webhooks", secrets = ["{OTHER}"] }}
"""
    )
    with running(tmp_path / "in" / "data", log_level="error") as service:
        yield service


@pytest.fixture
def sender(tmp_path: Path, receiver: Running) -> Iterator[Running]:
    """Signs with the new secret and the old."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ossfn.toml").write_text(
        f"""
[callbacks."{receiver.http.base_url}/ingest/*"]
secrets = ["{NEW}", "{OLD}"]
"""
    )
    with running(tmp_path / "out" / "data", log_level="error") as service:
        service.http.put("/api/v1/buckets/photos", json={"region": "cn-north-1"}).raise_for_status()
        yield service


def wanted(sender: Running, url: str) -> None:
    rule = {"name": "all", "events": ["s3:ObjectCreated:*"], "target": {"callbacks": [url]}}
    answer = sender.http.post("/api/v1/buckets/photos/rules", json=rule)
    assert answer.status_code == 201, answer.text


def test_an_event_is_handed_on_while_secrets_are_changed_over(sender: Running, receiver: Running) -> None:
    wanted(sender, f"{receiver.http.base_url}/ingest/peer")
    assert sender.notify("2026/猫.jpg").status_code == 200
    sender.until(lambda: sender.stats()["delivered"] == 1)
    assert 'ossfn_events{kind="events"} 1.0' in receiver.http.get("/metrics").text


def test_a_secret_that_is_not_shared_is_a_dead_letter_and_counted(sender: Running, receiver: Running) -> None:
    wanted(sender, f"{receiver.http.base_url}/ingest/stranger")
    assert sender.notify("a.jpg").status_code == 200
    sender.until(lambda: sender.stats()["dead"] == 1)
    assert "403 Forbidden" in sender.deliveries(state="dead")[0]["reason"]
    refused = 'ossfn_ingest_refused_total{reason="SignatureDoesNotMatch",source="stranger"} 1.0'
    assert refused in receiver.http.get("/metrics").text
