"""A service with tokens and sources: who gets in where, and what is told to whom."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.conftest import Running, running

pytestmark = pytest.mark.slow

HOOK = "http://127.0.0.1:1/hook"
WRITER = {"Authorization": "Bearer s3cret"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """Knows one source; its data directory was there before, for everybody to read."""
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "ossfn.toml").write_text(
        '[sources.minio]\ntoken = "let-me-in"\n[api_tokens.grafana]\ntoken = "look"\n', encoding="utf-8"
    )
    before = os.umask(0o022)
    try:
        with running(tmp_path / "data", log=tmp_path / "log", api_token="s3cret") as service:
            yield service
    finally:
        os.umask(before)


def test_what_is_kept_is_for_its_user_alone(service: Running) -> None:
    kept = [path for path in service.data.iterdir() if path.is_file()]
    assert {"outbox.db", "registry.db", "master.key"} <= {path.name for path in kept}
    assert [path.name for path in kept if path.stat().st_mode & 0o077] == []


def test_beside_the_configured_sources_there_is_none(service: Running) -> None:
    for name in ("auto", "minio-listen", "aws"):
        answer = service.http.post(f"/ingest/{name}", json={"Records": []})
        assert (answer.status_code, answer.json()["code"]) == (404, "NoSuchSource")
        assert "known: minio" in answer.json()["detail"]
    assert service.http.post("/ingest/minio", json={"Records": []}).status_code == 401


def test_a_secret_in_a_callbacks_query_is_in_no_metric_and_in_no_log(service: Running, tmp_path: Path) -> None:
    service.http.put("/api/v1/buckets/photos", json={"region": "cn-north-1"}, headers=WRITER).raise_for_status()
    rule = {"name": "all", "events": ["s3:ObjectCreated:*"], "target": {"callbacks": [f"{HOOK}?key=HIDDEN"]}}
    service.http.post("/api/v1/buckets/photos/rules", json=rule, headers=WRITER).raise_for_status()
    service.http.headers["Authorization"] = "Bearer let-me-in"
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "photos"}, "object": {"key": "k"}}}
    assert service.http.post("/ingest/minio", json={"Records": [record]}).json()["deliveries"] == 1

    service.http.headers["Authorization"] = "Bearer look"
    service.until(lambda: f'ossfn_attempts_total{{result="retry",target="callback:{HOOK}?…"}}' in metrics(service))
    assert f'ossfn_waiting{{target="callback:{HOOK}?…"}} 1.0' in metrics(service)
    assert "HIDDEN" not in metrics(service)
    logged = (tmp_path / "log").read_text(encoding="utf-8")
    assert f'"target":"callback:{HOOK}?…"' in logged
    assert "HIDDEN" not in logged


def metrics(service: Running) -> str:
    """What Prometheus reads."""
    return service.http.get("/metrics").raise_for_status().text


def test_probes_need_no_token_and_metrics_do(service: Running) -> None:
    answers = {path: service.http.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")}
    assert answers == {"/healthz": 200, "/readyz": 200, "/metrics": 401}
    look = {"Authorization": "Bearer look"}
    assert service.http.get("/metrics", headers=look).status_code == 200
    assert service.http.get("/functions/thumbs", headers=look).status_code == 403
