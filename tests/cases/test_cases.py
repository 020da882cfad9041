"""Every case in this folder is a test somewhere, or is skipped here with the reason why not."""

import json
from pathlib import Path
from typing import Any

import pytest

from ossfn.adapter.dialects import Decoded, decode
from ossfn.trigger_registry.event_names import is_known

HERE = Path(__file__).parent
TESTS = HERE.parent
PROSE = {"about", "rule", "facts", "error_xml", "adapter_rule", "adapter_gaps_found", "decoders"}
APPLIED = {
    ("config_errors.json", "cases"): "s3/test_config_errors.py",
    ("overlap_cases.json", "cases"): "trigger_registry/test_registry.py",
    ("overlap_cases.json", "match_cases"): "trigger_registry/test_matching.py",
    ("url_encoding.json", "cases"): "dialects/test_decode.py",
    ("url_encoding.json", "recorded"): "cases/test_cases.py",
    ("cloudevents.json", "adapter_on_captures"): "adapter/test_cloudevent.py",
    ("event_payloads.json", "aws"): "cases/test_cases.py",
    ("event_payloads.json", "observed_event_names"): "cases/test_cases.py",
    ("event_payloads.json", "eventbridge_detail_type"): "cases/test_cases.py",
}
NOT_APPLIED = {
    ("cloudevents.json", "cloudevents_conformance"): "how functions receive CloudEvents is functions-framework's part",
    ("cloudevents.json", "functions_framework_conformance"): "its client needs Go and its module proxy",
    ("cloudevents.json", "peer_suites_run_here"): "results of other projects' own suites",
}


def cases(file: str, section: str) -> Any:
    return json.loads((HERE / file).read_text(encoding="utf-8"))[section]


def test_every_section_is_applied_or_listed() -> None:
    sections = {
        (file.name, section)
        for file in HERE.glob("*.json")
        for section in json.loads(file.read_text(encoding="utf-8"))
        if section not in PROSE
    }
    assert sections == APPLIED.keys() | NOT_APPLIED.keys()


@pytest.mark.parametrize(("section", "module"), APPLIED.items(), ids=str)
def test_it_is_applied_where_the_list_says(section: tuple[str, str], module: str) -> None:
    source = (TESTS / module).read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in section)


@pytest.mark.parametrize(("section", "reason"), NOT_APPLIED.items(), ids=str)
def test_not_applied(section: tuple[str, str], reason: str) -> None:
    pytest.skip(f"{section[0]}, {section[1]}: {reason}")


@pytest.mark.parametrize("case", cases("cloudevents.json", "adapter_on_captures"), ids=lambda case: case["capture"])
def test_its_capture_is_here(case: dict[str, Any]) -> None:
    if not (TESTS / "dialects" / case["capture"]).exists():
        pytest.skip("cloudevents.json, adapter_on_captures: its capture is not kept here; others of the store are")


def decoded(body: object) -> tuple[str, str]:
    """Name and key of the one event in a body."""
    found = decode("auto", {}, json.dumps(body).encode())
    assert isinstance(found, Decoded)
    (event,) = found.events
    return event.name, event.key


RECORDS = [case for case in cases("event_payloads.json", "aws") if case["channel"] != "eventbridge"]
DETAILS = [case for case in cases("event_payloads.json", "aws") if case["channel"] == "eventbridge"]
VALUES = {"key": "a/b", "size": 3, "eTag": "e", "etag": "e", "sequencer": "0A", "versionId": "v", "version-id": "v"}


@pytest.mark.parametrize("case", RECORDS, ids=lambda case: f"{case['operation']}-{case['eventName']}")
def test_rules_can_ask_for_what_amazon_sends(case: dict[str, Any]) -> None:
    record = {name: {} for name in case["top_level"]} | {
        "eventName": case["eventName"], "eventVersion": case["eventVersion"], "eventSource": "aws:s3",
        "awsRegion": "us-east-1", "eventTime": "2026-11-22T15:57:26.221Z",
        "s3": {"bucket": {"name": "b"}, "object": {name: VALUES[name] for name in case["object_fields"]}},
    }  # fmt: skip
    assert decoded({"Records": [record]}) == (f"s3:{case['eventName']}", "a/b")
    assert is_known(f"s3:{case['eventName']}")


@pytest.mark.parametrize("case", DETAILS, ids=lambda case: f"{case['operation']}-{case['detail-type']}")
def test_rules_can_ask_for_what_eventbridge_sends(case: dict[str, Any]) -> None:
    given = {"bucket": {"name": "b"}, "object": {name: VALUES[name] for name in case["object_fields"]}}
    given |= {name: case[name] for name in ("reason", "deletion-type") if case[name]}
    name, key = decoded({"source": case["source"], "detail-type": case["detail-type"], "detail": given})
    assert key == "a/b"
    assert is_known(name)
    wanted = {detail: name for name, detail in cases("event_payloads.json", "eventbridge_detail_type")["map"].items()}
    assert name.startswith(wanted[case["detail-type"]].removesuffix("*"))


def test_rules_can_ask_for_what_stores_were_seen_to_send() -> None:
    stores = list(cases("event_payloads.json", "observed_event_names").values())
    seen = {name for store in stores for names in store.values() for name in names}
    objects = {name for name in seen if name.removeprefix("s3:").startswith("Object")}
    assert len(objects) > 10
    assert [name for name in objects if not is_known(f"s3:{name.removeprefix('s3:')}")] == []


@pytest.mark.parametrize(
    "case", [case for case in cases("url_encoding.json", "recorded") if "key" in case], ids=lambda case: case["key"]
)
def test_keys_as_amazon_spells_them(case: dict[str, Any]) -> None:
    record = {
        "eventName": "ObjectCreated:Put", "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-22T15:57:26.221Z",
        "s3": {"bucket": {"name": "b"}, "object": {"key": case["encoded"]}},
    }  # fmt: skip
    assert decoded({"Records": [record]})[1] == case["key"]
