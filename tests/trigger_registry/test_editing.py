"""What a bucket's rules become after each kind of edit."""

from dataclasses import replace

import pytest

from ossfn.trigger_registry.editing import placed, rule_of, with_names, without
from ossfn.trigger_registry.errors import NoSuchRule, RuleExists
from ossfn.trigger_registry.limits import DEFAULT_LIMITS
from ossfn.trigger_registry.rules import AsPut, Bucket, Callback, KeyFilter, Rule

CDK_ID = "arn:aws:cloudformation:us-east-1:000000000000:stack/S/3f1e--1"
AS_PUT = AsPut("Queue", "arn:minio:sqs::hook:webhook")


def rule(name: str = "", id: str = "") -> Rule:  # noqa: A002 - the field's name
    return Rule(name, ("s3:ObjectCreated:*",), KeyFilter(), (Callback("http://a"),), id=id)


NOW = Bucket(
    "b", "cn-north-1", rules=(replace(rule("one", CDK_ID), as_put=AS_PUT), rule("two", "two"), rule("three", "its-id"))
)


@pytest.mark.parametrize(
    ("given", "name", "rule_id"),
    [
        (rule(), "made", "made"),
        (rule(id="ok-1"), "ok-1", "ok-1"),
        (rule(id="new:1"), "made", "new:1"),
        (rule(id="i" * 257), "made", "i" * 257),
        (rule(id=CDK_ID), "one", CDK_ID),  # the same Id put again is the same rule
        (rule(id="its-id"), "three", "its-id"),
        (rule("named"), "named", "named"),
        (rule("named", "x/y"), "named", "x/y"),
        (rule("one"), "one", CDK_ID),
    ],
)
def test_names_and_ids_are_made_where_missing_and_kept_where_known(given: Rule, name: str, rule_id: str) -> None:
    (named,) = with_names([given], NOW, lambda: "made", DEFAULT_LIMITS)
    assert (named.name, named.id) == (name, rule_id)


def test_a_rule_takes_the_place_of_the_one_it_replaces() -> None:
    assert placed(rule("two"), NOW, None)[1] == 1
    fresh, at = placed(rule("one", CDK_ID), NOW, False)
    assert (fresh.as_put, at) == (AS_PUT, 0)
    assert placed(rule("four"), NOW, True)[1] == 3


def test_creating_and_replacing_can_be_told_apart() -> None:
    with pytest.raises(RuleExists, match="two"):
        placed(rule("two"), NOW, True)
    with pytest.raises(NoSuchRule, match="four"):
        placed(rule("four"), NOW, False)


def test_rules_are_found_and_taken_away_by_name() -> None:
    assert rule_of(NOW, "two") == NOW.rules[1]
    assert without(["one"], NOW).rules == NOW.rules[1:]
    with pytest.raises(NoSuchRule, match="four"):
        without(["one", "four"], NOW)
