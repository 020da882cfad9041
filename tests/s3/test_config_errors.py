"""Right and wrong documents, case by case (tests/cases/config_errors.json): our answers are Amazon S3's."""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from defusedxml import ElementTree

from .conftest import Endpoint

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "config_errors.json").read_text(encoding="utf-8")
)["cases"]
ELEMENTS = {"queue": ("Queue", "sqs"), "topic": ("Topic", "sns"), "function": ("CloudFunction", "lambda")}


def target(kind: str, wanted: dict[str, Any]) -> str:
    match wanted:
        case {"raw_arn": text}:
            return str(text)
        case {"ok": n} if kind == "function":
            return f"arn:aws:lambda:cn-north-1:000000000000:function:f{n}"
        case {"ok": n}:
            return f"arn:ossfn:{ELEMENTS[kind][1]}:cn-north-1:hook{n}:callback"
        case {"missing": n} if kind == "function":
            return f"arn:aws:lambda:cn-north-1:000000000000:function:nope{n}"
        case {"missing": n}:
            return f"arn:aws:{ELEMENTS[kind][1]}:cn-north-1:000000000000:nope{n}"
    return f"arn:aws:{ELEMENTS[kind][1]}:us-east-1:000000000000:s3-queue"


def configuration(wanted: dict[str, Any]) -> str:
    element, _ = ELEMENTS[wanted["dest"]]
    parts = [f"<Id>{wanted['id']}</Id>" if "id" in wanted else ""]
    parts += [f"<{element}>{target(wanted['dest'], wanted['target'])}</{element}>"]
    parts += [f"<Event>{event}</Event>" for event in wanted["events"]]
    if "rules" in wanted:
        tags = {"name": "Name", "value": "Value"}
        inner = ["".join(f"<{tags[k]}>{escape(v)}</{tags[k]}>" for k, v in rule.items()) for rule in wanted["rules"]]
        parts += ["<Filter><S3Key>", *(f"<FilterRule>{rule}</FilterRule>" for rule in inner), "</S3Key></Filter>"]
    return f"<{element}Configuration>{''.join(parts)}</{element}Configuration>"


def document(case: dict[str, Any]) -> str:
    if "raw_body" in case:
        return str(case["raw_body"]).replace("{ok1}", target("queue", {"ok": 1}))
    return f"<NotificationConfiguration>{''.join(map(configuration, case['configs']))}</NotificationConfiguration>"


def one_of(expected: Any) -> list[Any]:
    return expected if isinstance(expected, list) else [expected]


def spelled(field: str, case: dict[str, Any]) -> str:
    for n, wanted in enumerate(case["configs"]):
        field = field.replace(f"{{target:{n}}}", target(wanted["dest"], wanted["target"]))
    return field.replace("{target}", target(case["configs"][0]["dest"], case["configs"][0]["target"]))


@pytest.fixture
def photos(s3: Endpoint) -> Endpoint:
    s3.registry.put_callback("hook1", ["https://example.com/1"], actor="test")
    s3.registry.put_callback("hook2", ["https://example.com/2"], actor="test")
    s3.registry.put_bucket("photos", actor="test", owner="ossfn")
    return s3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case: dict[str, Any], photos: Endpoint) -> None:
    expected, body = case["expect"], document(case)
    headers = {"x-amz-skip-destination-validation": "true"} if case.get("skip_destination_validation") else {}
    answer = photos.send("PUT", "/photos?notification", body.encode(), headers)
    assert answer.status_code in one_of(expected["status"]), answer.text
    if answer.status_code == 200:
        assert answer.content == b""
        got = photos.send("GET", "/photos?notification").text
        if expected.get("get_echo"):
            assert body.removeprefix("<NotificationConfiguration>") == got.partition('">')[2].replace(
                "<Name>Prefix", "<Name>prefix"
            ).replace("<Name>Suffix", "<Name>suffix")
        if "get_rules" in expected:
            names = [
                (rule.findtext("./{*}Name"), rule.findtext("./{*}Value")) for rule in tree(got).iter(tag("FilterRule"))
            ]
            assert names == [(rule["name"], rule["value"]) for rule in expected["get_rules"]]
        return
    assert answer.headers["content-type"] == "application/xml"
    error = {node.tag: node.text for node in tree(answer.text)}
    assert error["statusCode"] == str(answer.status_code)
    assert error["Code"] in one_of(expected.get("code", error["Code"]))
    assert error["Message"] in one_of(expected.get("message", error["Message"]))
    fields = {name: spelled(value, case) for name, value in expected.get("fields", {}).items()}
    assert {name: error.get(name) for name in fields} == fields
    assert (error["Resource"], error["RequestId"]) == ("/photos", answer.headers["x-amz-request-id"])
    assert photos.registry.bucket("photos").rules == ()


def tag(name: str) -> str:
    return f"{{http://s3.amazonaws.com/doc/2006-03-01/}}{name}"


def tree(text: str) -> Any:
    return ElementTree.fromstring(text)


def test_an_overlap_names_both_rules_and_a_key(photos: Endpoint) -> None:
    rules = [
        {"dest": "function", "target": {"ok": 1}, "events": ["s3:ObjectCreated:*"], "id": "all"},
        {
            "dest": "queue",
            "target": {"ok": 1},
            "events": ["s3:ObjectCreated:Put"],
            "id": "some",
            "rules": [{"name": "prefix", "value": "x/"}],
        },
    ]
    body = document({"configs": rules}).encode()
    error = {node.tag: node.text for node in tree(photos.send("PUT", "/photos?notification", body).text)}
    assert {error["Rule"], error["OtherRule"]} == {"all", "some"}
    assert error["WitnessKey"].startswith("x/")
    assert "first-match" in error["Advice"]
    assert "An object key name filtering rule" not in error["Message"]
    to_mc = photos.send(
        "PUT", "/photos?notification", body, {"User-Agent": "MinIO (linux; amd64) minio-go/v7.0.46 mc/x"}
    )
    assert "An object key name filtering rule defined with overlapping prefixes, overlapping suffixes, or" in to_mc.text


def test_every_fault_of_a_document_is_listed(photos: Endpoint) -> None:
    configs = [
        {"dest": "queue", "target": {"raw_arn": "no-arn"}, "events": ["s3:ObjectCreated:Putt"], "id": "bad name"}
    ]
    error = tree(photos.send("PUT", "/photos?notification", document({"configs": configs}).encode()).text)
    faults = [(fault.findtext("Field"), fault.findtext("Advice")) for fault in error.iter("Fault")]
    assert ("rules[0].events[0]", "Did you mean s3:ObjectCreated:Put or") in [(f, a[:36]) for f, a in faults]
    assert "rules[0].target" in [field for field, _ in faults]
