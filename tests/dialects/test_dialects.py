"""Every notification in this folder, captured or documented, decodes to what stands beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from ossfn.adapter.dialects import Confirmation, Decoded, NotDecodable, decode

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.rglob("*.json") if not path.name.endswith(".expected.json"))

# What an operator would name as the dialect of a source that receives these; `auto` must find the same.
NAMED = {
    "ceph-rgw": "ceph",
    "juicefs-gateway": "minio",
    "seaweedfs-webhook": "seaweedfs",
    "localstack/sns-http": "sns",
    "moto/sns-http": "sns",
}


def _case_id(path: Path) -> str:
    return str(path.relative_to(HERE).with_suffix(""))


@pytest.mark.parametrize("path", CASES, ids=_case_id)
def test_every_notification_decodes_to_what_stands_beside_it(path: Path) -> None:
    """The expected keys are those that were uploaded, as the request that caused the notification says."""
    deliveries = json.loads(path.read_text())["deliveries"]
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    assert len(deliveries) == len(expected)
    for delivery, wanted in zip(deliveries, expected, strict=True):
        wanted.pop("note", None)
        for dialect in dict.fromkeys(("auto", _named(path, delivery))):
            assert _seen(dialect, delivery, wanted) == wanted, dialect


def _named(path: Path, delivery: dict[str, Any]) -> str:
    if "channel" in delivery and delivery["channel"] != "sns-http":
        return "eventbridge" if delivery["channel"] == "eventbridge-sqs" else "aws"
    folder = str(path.parent.relative_to(HERE))
    return NAMED.get(folder, folder)


def _seen(dialect: str, delivery: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What came out, with the members that `wanted` has."""
    body = delivery["body"].encode()
    try:
        result = decode(dialect, delivery.get("headers", {}), body)
    except NotDecodable as error:
        return {"refused": error.place}
    if isinstance(result, Confirmation):
        named = {name: getattr(result, name) for name in wanted.get("confirmation", {"kind": ""})}
        return {"confirmation": {n: v.decode() if isinstance(v, bytes) else v for n, v in named.items()}}
    return _events(result, body, wanted)


def _events(result: Decoded, body: bytes, wanted: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"events": []}
    for event, want in zip(result.events, wanted.get("events", []), strict=True):
        shown["events"].append({name: getattr(event, name) for name in want})
        record = bytes(event.record)
        if event.dialect in ("aws", "minio", "ceph"):
            assert record in body
        elif event.dialect not in ("sns", "cloudevents"):
            assert json.loads(record)["original"]
        assert json.loads(record)["s3"]["object"]["key"] == event.raw_key
    if result.ignored:
        shown["ignored"] = len(result.ignored)
    return shown
