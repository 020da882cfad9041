"""However a function fails, its delivery ends as the retry rules say."""

from typing import Any

import pytest

from .conftest import Running

pytestmark = pytest.mark.slow


def tried(service: Running, key: str) -> dict[str, Any]:
    """The delivery of this key with its attempts, once it was tried."""
    assert service.notify(key).json()["deliveries"] == 1

    def found() -> dict[str, Any] | None:
        for delivery in service.deliveries(prefix=key):
            detail: dict[str, Any] = service.http.get(f"/api/v1/deliveries/{delivery['id']}").json()
            if detail["attempts"]:
                return detail
        return None

    detail: dict[str, Any] = service.until(found)
    return detail


def test_a_function_that_returns_is_done(service: Running) -> None:
    detail = tried(service, "fine.txt")
    assert (detail["state"], detail["attempts"][0]["status"]) == ("delivered", 200)


def test_204_is_done_too(service: Running) -> None:
    assert tried(service, "status/204/x")["state"] == "delivered"


@pytest.mark.parametrize("status", [400, 404, 301])
def test_a_refusal_is_a_dead_letter_at_once(service: Running, status: int) -> None:
    detail = tried(service, f"status/{status}/x")
    assert detail["state"] == "dead"
    assert len(detail["attempts"]) == 1
    assert detail["attempts"][0]["status"] == status
    assert detail["attempts"][0]["answer"] == "as asked"


@pytest.mark.parametrize(("key", "status"), [("raise/x", 500), ("status/503/x", 503), ("status/429/x", 429)])
def test_a_failure_is_tried_again(service: Running, key: str, status: int) -> None:
    detail = tried(service, key)
    assert detail["state"] == "pending"
    assert detail["attempts"][0]["status"] == status
    again = service.until(lambda: len(service.http.get(f"/api/v1/deliveries/{detail['id']}").json()["attempts"]) > 1)
    assert again
    assert service.seen.read_text().count(f"{key}\n") >= 2


def test_a_function_that_hangs_is_stopped_and_tried_again(service: Running) -> None:
    detail = tried(service, "hang/x")
    assert detail["state"] == "pending"
    assert 2 <= detail["attempts"][0]["seconds"] < 12
    assert tried(service, "fine-after-hang")["state"] == "delivered"


def test_a_function_that_dies_is_started_again(service: Running) -> None:
    detail = tried(service, "die/x")
    assert detail["state"] == "pending"
    assert detail["attempts"][0]["reason"]
    assert tried(service, "fine-after-death")["state"] == "delivered"


def test_gone_pauses_the_target_until_resumed(service: Running) -> None:
    detail = tried(service, "status/410/x")
    assert detail["state"] == "pending"
    (target,) = (t for t in service.http.get("/api/v1/targets").json()["targets"] if t["target"] == "function:tester")
    assert "410" in target["paused_reason"]
    service.notify("while-paused.txt")
    assert service.deliveries(prefix="while-paused")[0]["attempt"] == 0
    service.http.post("/api/v1/deliveries:cancel", json={"filter": {"prefix": "status/410"}}).raise_for_status()
    service.http.post("/api/v1/targets/function:tester:resume").raise_for_status()
    service.until(lambda: service.deliveries(prefix="while-paused")[0]["state"] == "delivered")


def test_nothing_is_missing_at_the_end(service: Running) -> None:
    stats = service.stats()
    assert stats["accepted"] == sum(stats[state] for state in ("delivered", "dead", "pending", "cancelled"))
