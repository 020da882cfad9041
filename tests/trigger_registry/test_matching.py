"""Matching, held against going through the rules one by one."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.event_names import covers
from ossfn.trigger_registry.matching import Match, Matcher
from ossfn.trigger_registry.rules import Bucket, Callback, KeyFilter, Mode, Rule

CASES = json.loads((Path(__file__).parents[1] / "cases" / "overlap_cases.json").read_text())["match_cases"]
PATTERNS = (
    "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*", "s3:ObjectLifecycle:*",
    "s3:ObjectLifecycle:Expiration:*", "s3:ObjectLifecycle:Expiration:Current", "s3:BucketCreated:*",
)  # fmt: skip
NAMES = (
    "s3:ObjectCreated:Put", "s3:ObjectCreated:Copy", "s3:ObjectCreated:NobodyKnows", "s3:ObjectCreated:",
    "s3:ObjectCreated", "s3:ObjectRemoved:Delete", "s3:ObjectLifecycle:Expiration:Current", "s3:ObjectLifecycle:New",
    "s3:ObjectLifecycle:Expiration:New", "s3:BucketCreated", "s3:ObjectAccessed:Get", "nonsense", "",
)  # fmt: skip
MODES: tuple[Mode, ...] = ("strict", "first-match", "fan-out")

texts = st.text("ab图", max_size=3)
rules = st.builds(
    Rule,
    name=st.text("rst", min_size=1, max_size=4),
    events=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(tuple),
    keys=st.builds(KeyFilter, texts, texts),
    targets=st.just((Callback("http://127.0.0.1/"),)),
    enabled=st.sampled_from([True, True, False]),
)


def one_by_one(bucket: Bucket, event_name: str, key: str) -> Match:
    found = [
        rule
        for rule in bucket.rules
        if rule.enabled and any(covers(pattern, event_name) for pattern in rule.events) and rule.keys.matches(key)
    ]
    return Match(bucket.generation, bucket.mode, tuple(found if bucket.mode == "fan-out" else found[:1]))


@given(st.lists(rules, max_size=12), st.sampled_from(MODES), st.sampled_from(NAMES), st.text("ab图", max_size=7))
def test_finds_what_going_through_the_rules_finds(some: list[Rule], mode: Mode, event_name: str, key: str) -> None:
    bucket = Bucket("b", "cn-north-1", mode, generation=7, rules=tuple(some))
    assert Matcher(bucket).match(event_name, key) == one_by_one(bucket, event_name, key)


def rule(name: str, keys: KeyFilter, *events: str) -> Rule:
    return Rule(name, events or ("s3:ObjectCreated:*",), keys, (Callback("http://127.0.0.1/"),))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_every_collected_case(case: dict[str, Any]) -> None:
    wants = rule("r", KeyFilter(case["prefix"] or "", case["suffix"] or ""), *case["events"])
    matcher = Matcher(Bucket("b", "cn-north-1", rules=(wants,)))
    assert bool(matcher.match(case["event"], case["key"]).rules) is case["delivered"]


def test_the_order_of_rules_decides_and_not_the_length_of_filters() -> None:
    short, long = rule("short", KeyFilter("a", "")), rule("long", KeyFilter("abc", "z"))
    for first, second in ((short, long), (long, short)):
        bucket = Bucket("b", "cn-north-1", "first-match", rules=(first, second))
        assert Matcher(bucket).match("s3:ObjectCreated:Put", "abcz").rules == (first,)
