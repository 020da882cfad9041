"""The registry as its doors use it, on a real store."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ossfn.trigger_registry.errors import (
    BucketExists,
    Fault,
    InUse,
    NoSuchBucket,
    NoSuchRule,
    RuleExists,
    RuleRefused,
)
from ossfn.trigger_registry.matching import NOT_REGISTERED
from ossfn.trigger_registry.overlap import S3_TEXT
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import AsPut, Callback, Element, FunctionRef, KeyFilter, Rule

CASES = json.loads((Path(__file__).parents[1] / "cases" / "overlap_cases.json").read_text())["cases"]
PUT = "s3:ObjectCreated:Put"


def rule(name: str = "", prefix: str = "", suffix: str = "", *, function: str = "", **fields: Any) -> Rule:
    target = FunctionRef(function) if function else Callback(f"http://127.0.0.1/{name}")
    return Rule(name, ("s3:ObjectCreated:*",), KeyFilter(prefix, suffix), (target,), **fields)


def put_as(text: str, element: Element = "Queue", prefix: str = "", *, rule_id: str = "") -> Rule:
    """A rule as the S3 door hands it in."""
    as_put = AsPut(element, text, (("Prefix", prefix),) if prefix else ())
    return Rule("", ("s3:ObjectCreated:*",), KeyFilter(), (), id=rule_id, as_put=as_put)


def names(registry: Registry, key: str, bucket: str = "photos") -> list[str]:
    return [rule.name for rule in registry.match(bucket, PUT, key).rules]


def refused(refusal: Callable[[], object]) -> list[Fault]:
    with pytest.raises(RuleRefused) as caught:
        refusal()
    return list(caught.value.faults)


def test_a_rule_is_live_as_soon_as_it_is_put(registry: Registry) -> None:
    assert registry.match("photos", PUT, "a.jpg").rules == ()
    bucket = registry.put_rules("photos", [rule("jpg", suffix=".jpg")], actor="ann")
    match = registry.match("photos", PUT, "a.jpg")
    assert (match.generation, match.rules) == (bucket.generation, bucket.rules)
    assert names(registry, "a.png") == []
    assert registry.match("nowhere", PUT, "a.jpg") == NOT_REGISTERED


def test_names_and_ids_are_made_and_given_back(registry: Registry) -> None:
    cdk = "arn:aws:cloudformation:us-east-1:000000000000:stack/S/3f1e--1"
    given = [
        put_as("thumbs", prefix="a/", rule_id=cdk),
        put_as("thumbs", prefix="b/", rule_id="b"),
        put_as("thumbs", prefix="c/"),
    ]
    first = registry.put_rules("photos", given, actor="s3")
    made = first.rules[0].name
    assert [(rule.name, rule.id) for rule in first.rules[:2]] == [(made, cdk), ("b", "b")]
    assert first.rules[2].name == first.rules[2].id != ""
    again = registry.put_rules("photos", given[:2], actor="s3")
    assert again.rules[0].name == made


def test_a_document_is_given_back_as_it_was_put(registry: Registry) -> None:
    registry.put_callback("hook", ["http://a/1", "http://a/2"], actor="ops")
    given = put_as("arn:minio:sqs::hook:webhook", prefix="year%3D2026/")
    (kept,) = registry.put_rules("photos", [given], actor="s3").rules
    assert kept.as_put == given.as_put
    assert kept.keys == KeyFilter("year=2026/")
    assert kept.targets == (Callback("http://a/1"), Callback("http://a/2"))
    assert names(registry, "year=2026/x") == [kept.name]
    plain = replace(kept, as_put=AsPut(), enabled=False)  # as the JSON door writes it back
    assert registry.put_rule("photos", plain, actor="web").rules == (replace(kept, enabled=False),)


def test_everything_wrong_is_said_at_once_and_nothing_is_stored(registry: Registry) -> None:
    before = registry.put_rules("photos", [rule("old")], actor="ann")
    document = [
        put_as("arn:aws:sqs:cn-north-1:000000000000:missing"),
        replace(rule("bad name", "p" * 1023), events=("s3:Nope",)),
        replace(rule("c", "c/"), targets=()),
        rule("far", "d/", function="far"),
        rule("all"),
    ]
    faults = refused(lambda: registry.put_rules("photos", document, actor="ann"))
    assert [(fault.limit, fault.field) for fault in faults] == [
        ("rule_name_bytes", "rules[1].name"),
        ("event_name", "rules[1].events[0]"),
        ("prefix_bytes", "rules[1].prefix"),
        ("callback_url", "rules[1].target.callbacks[0]"),
        ("target", "rules[2].target"),
        ("target_region", "rules[3].target"),
        ("target_exists", "rules[0].target"),
        ("overlap", "rules[2]"),
        ("overlap", "rules[3]"),
        ("overlap", "rules[4]"),
        ("overlap", "rules[4]"),
        ("overlap", "rules[4]"),
    ]
    assert registry.bucket("photos") == before


def test_form_is_looked_at_before_targets(registry: Registry) -> None:
    document = [put_as("arn:aws:sqs:cn-north-1:0:missing"), put_as("invalid_arn_2", prefix="x")]
    faults = refused(lambda: registry.put_rules("photos", document, actor="s3"))
    assert faults[0].message == "The ARN could not be parsed"
    assert faults[0].arguments == (("ArgumentName", "Queue"), ("ArgumentValue", "invalid_arn_2"))


def test_a_target_may_come_later_when_asked(registry: Registry) -> None:
    late = put_as("arn:ossfn:lambda:cn-north-1:late:function", "CloudFunction")
    (fault,) = refused(lambda: registry.put_rules("photos", [late], actor="s3"))
    assert fault.limit == "target_exists"
    (kept,) = registry.put_rules("photos", [late], actor="s3", skip_destination_validation=True).rules
    assert kept.targets == (FunctionRef("late"),)
    (fault,) = refused(
        lambda: registry.put_rules("photos", [put_as("late")], actor="s3", skip_destination_validation=True)
    )
    assert fault.message == "The ARN could not be parsed"
    lone = rule("lone", function="late")
    assert registry.put_rules("photos", [lone], actor="web", skip_destination_validation=True).rules[0].name == "lone"
    again = registry.put_rule("photos", replace(lone, ordered=True), actor="web", skip_destination_validation=True)
    assert again.rules[0].as_put.target_text == "arn:ossfn:lambda:cn-north-1:late:function"


def _case_rules(case: dict[str, Any]) -> list[Rule]:
    rules = []
    for i, config in enumerate(case["configs"]):
        values = {part["name"].capitalize(): part["value"] for part in config.get("rules", [])}
        text = "thumbs" if config["dest"] == "function" else f"NS:http://127.0.0.1/{config['target']['ok']}"
        as_put = AsPut("Queue", text, tuple(values.items()))
        rules.append(Rule("", tuple(config["events"]), KeyFilter(), (), id=config.get("id", f"{i}"), as_put=as_put))
    return rules


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_every_collected_overlap(registry: Registry, case: dict[str, Any]) -> None:
    allowed = case["expect"]["status"]
    rules = _case_rules(case)
    if allowed == 200:
        assert len(registry.put_rules("photos", rules, actor="s3").rules) == len(rules)
        return
    (fault,) = refused(lambda: registry.put_rules("photos", rules, actor="s3"))
    assert (fault.code, fault.message, {fault.rule, fault.other_rule}) == ("InvalidArgument", S3_TEXT, {"1", "2"})
    assert fault.witness is not None
    registry.put_bucket("photos", mode="fan-out", actor="ann")
    registry.put_rules("photos", rules, actor="s3")
    events = {event for rule in rules for event in rule.events}
    matched = [len(registry.match("photos", event.replace("*", "Put"), fault.witness).rules) for event in events]
    assert max(matched) == 2


def test_modes(registry: Registry) -> None:
    registry.put_bucket("photos", mode="first-match", actor="ann")
    registry.put_rules("photos", [rule("off", enabled=False), rule("one", "a"), rule("two", "ab")], actor="ann")
    assert names(registry, "abc") == ["one"]
    registry.put_bucket("photos", mode="fan-out", actor="ann")
    assert names(registry, "abc") == ["one", "two"]
    faults = refused(lambda: registry.put_bucket("photos", mode="strict", actor="ann"))
    assert {fault.limit for fault in faults} == {"overlap"}
    assert registry.bucket("photos").mode == "fan-out"


def test_a_bucket_moves_only_where_its_functions_may_be(registry: Registry) -> None:
    registry.put_rules("photos", [rule("r", function="thumbs")], actor="ann")
    (fault,) = refused(lambda: registry.put_bucket("photos", region="cn-east-2", actor="ann"))
    assert (fault.limit, fault.field) == ("target_region", "rules[0].target")
    registry.delete_rule("photos", "r", actor="ann")
    assert registry.put_bucket("photos", region="cn-east-2", actor="ann").region == "cn-east-2"
    (fault,) = refused(lambda: registry.put_rule("photos", rule("r", function="far"), actor="ann"))
    assert (fault.limit, fault.field) == ("function_regions", "target")


def test_buckets_have_one_owner(registry: Registry) -> None:
    assert registry.put_bucket("photos", owner="ann", actor="ann").owner == "ann"
    assert registry.put_bucket("photos", owner="ann", actor="ann").generation == 2
    with pytest.raises(BucketExists):
        registry.put_bucket("photos", owner="bob", actor="bob")
    assert refused(lambda: registry.put_bucket("a/b", actor="ann"))[0].code == "InvalidBucketName"


def test_a_bucket_with_rules_is_deleted_only_on_purpose(registry: Registry) -> None:
    registry.put_rules("photos", [rule("one", "1"), rule("two", "2")], actor="ann")
    with pytest.raises(InUse) as caught:
        registry.delete_bucket("photos", actor="ann")
    assert caught.value.users == ["one", "two"]
    registry.delete_bucket("photos", cascade=True, actor="ann")
    with pytest.raises(NoSuchBucket):
        registry.bucket("photos")
    with pytest.raises(NoSuchBucket):
        registry.delete_bucket("photos", actor="ann")
    assert registry.buckets() == []
    assert registry.put_bucket("photos", actor="ann").generation == 4  # it never counts back


def test_one_rule_at_a_time(registry: Registry) -> None:
    registry.put_rules("photos", [rule("one", "1"), rule("two", "2"), rule("three", "3")], actor="ann")
    after = registry.put_rule("photos", rule("two", "22"), actor="ann")
    assert [(kept.name, kept.keys.prefix) for kept in after.rules] == [("one", "1"), ("two", "22"), ("three", "3")]
    after = registry.put_rule("photos", rule("four", "4"), actor="ann", create=True)
    assert after.rules[-1].name == "four"
    with pytest.raises(RuleExists):
        registry.put_rule("photos", rule("four", "5"), actor="ann", create=True)
    with pytest.raises(NoSuchRule):
        registry.put_rule("photos", rule("five", "5"), actor="ann", create=False)
    (fault,) = refused(lambda: registry.put_rule("photos", rule("five", "44", ""), actor="ann"))
    assert (fault.rule, fault.other_rule, fault.witness) == ("five", "four", "44")
    registry.delete_rule("photos", "one", actor="ann")
    assert [kept.name for kept in registry.bucket("photos").rules] == ["two", "three", "four"]
    with pytest.raises(NoSuchRule):
        registry.delete_rule("photos", "one", actor="ann")
    assert registry.rule("photos", "two").keys.prefix == "22"


def test_an_old_rule_gone_bad_does_not_stand_in_the_way_of_others(
    registry: Registry, functions: dict[str, str]
) -> None:
    registry.put_rule("photos", rule("old", "o/", function="thumbs"), actor="ann")
    del functions["thumbs"]
    assert len(registry.put_rule("photos", rule("new", "n/"), actor="ann").rules) == 2
    registry.put_bucket("photos", mode="fan-out", actor="ann")


def test_rules_need_a_bucket(registry: Registry) -> None:
    for nowhere in (
        lambda: registry.put_rules("nowhere", [rule("r")], actor="ann"),
        lambda: registry.put_rule("nowhere", rule("r"), actor="ann"),
        lambda: registry.delete_rule("nowhere", "r", actor="ann"),
        lambda: registry.explain("nowhere", "k", PUT),
        lambda: registry.history("nowhere"),
        lambda: registry.rollback("nowhere", 1, actor="ann"),
    ):
        with pytest.raises(NoSuchBucket):
            nowhere()


def test_explains_by_the_live_rules(registry: Registry) -> None:
    registry.put_rules("photos", [rule("a", "a/"), rule("b", "b/")], actor="ann")
    explained = registry.explain("photos", "b/1", "ObjectCreated:Put")
    assert [verdict.why for verdict in explained.verdicts] == ["prefix", "matched"]
    assert explained.targets == (Callback("http://127.0.0.1/b"),)
