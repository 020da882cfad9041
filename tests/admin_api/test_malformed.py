"""Thousands of bodies that no client should send: each is refused, and none changes anything."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Api, problem

HOOK = "https://hooks.example.com/a"
RULE = {
    "name": "images", "id": "x:1", "events": ["s3:ObjectCreated:*"], "prefix": "in/", "suffix": ".jpg",
    "target": {"callbacks": [HOOK]}, "ordered": True, "drop_stale": False, "format": "binary",
    "verification": "none", "enabled": True,
}  # fmt: skip
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/buckets/photos", {"region": "cn-north-1", "mode": "fan-out"}),
    ("POST", "/buckets/photos/rules", RULE),
    ("PUT", "/buckets/photos/rules", {"rules": [RULE]}),
    ("PUT", "/buckets/photos/rules/images", RULE),
    ("POST", "/buckets/photos:rollback", {"generation": 1}),
    ("PUT", "/callbacks/hook", {"urls": [HOOK], "region": "cn-north-1"}),
    ("PUT", "/functions/thumbs", {"url": HOOK, "region": "cn-north-1", "concurrency": 2, "timeout_seconds": 3}),
    ("POST", "/deliveries:redeliver", {"filter": {"bucket": "photos", "since": 1}, "rate": 5.0, "limit": 9}),
    ("POST", "/deliveries:cancel", {"filter": {"prefix": "a", "until": "2030-01-01T00:00:00Z"}, "limit": 9}),
    ("POST", "/targets/function:thumbs:pause", {"reason": "moving"}),
]
NEVER_RIGHT = [{"no": "such"}, [["deep"]], {"no": {"such": [None]}}, [{}], {"\ud800": 1}]
"""What is right in no place of any of these bodies."""
BODIES = 2500


def garbage(dice: random.Random, body: dict[str, Any]) -> bytes:
    """A body's JSON with bytes cut, changed or put in, such that it is no JSON any more."""
    while True:
        text = bytearray(json.dumps(body).encode())
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(text))
            match dice.randrange(3):
                case 0:
                    del text[at : at + dice.randint(1, 20)]
                case 1:
                    text[at] = dice.randrange(256)
                case _:
                    text[at:at] = dice.randbytes(dice.randint(1, 5))
            text = text or bytearray(b"{")
        if not is_json(bytes(text)):
            return bytes(text)


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def misshapen(dice: random.Random, body: dict[str, Any]) -> bytes:
    """A body's JSON with one value replaced by what can stand nowhere in it, or with an unknown field."""
    copy = json.loads(json.dumps(body))
    where, key = dice.choice(list(places(copy)))
    if dice.random() < 0.2 and isinstance(where, dict):
        where[f"x{dice.randrange(1000)}"] = 1
    else:
        where[key] = dice.choice(NEVER_RIGHT)
    return json.dumps(copy).encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key or index) in a body."""
    for key in list(value) if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0):
        yield value, key
        yield from places(value[key])


@pytest.mark.slow
async def test_malformed_bodies_are_refused_and_change_nothing(api: Api) -> None:
    await api.ask("PUT", "/buckets/photos", {}, status=201)
    await api.ask("PUT", "/buckets/photos", {"mode": "first-match"})
    await api.keep_dead("a")
    await api.keep("b")
    before = await everything(api)
    dice = random.Random(8450)
    for number in range(BODIES):
        method, path, body = dice.choice(REQUESTS)
        content = (garbage if number % 2 else misshapen)(dice, body)
        headers = {"Content-Type": "application/json"}
        answer = await api.http.request(method, f"/api/v1{path}", content=content, headers=headers)
        assert answer.status_code == 400, (number, method, path, content, answer.text)
        assert problem(answer).faults
    assert await everything(api) == before


async def everything(api: Api) -> list[Any]:
    """All that the API can change."""
    paths = ("buckets", "buckets/photos/history", "callbacks", "functions", "deliveries", "targets", "stats")
    return [await api.get(f"/{path}") for path in paths]
