"""Every limit: kept exactly, and refused with where, what and what to do."""

from dataclasses import replace

import pytest

from ossfn.trigger_registry.drafts import Draft
from ossfn.trigger_registry.errors import Fault
from ossfn.trigger_registry.limits import DEFAULT_LIMITS
from ossfn.trigger_registry.rules import Bucket, Callback, FunctionRef, KeyFilter, NamedCallback, Rule
from ossfn.trigger_registry.targets import Resolved, TargetText
from ossfn.trigger_registry.validation import (
    bucket_faults,
    document_faults,
    form_faults,
    named_callback_faults,
    overlap_faults,
    trigger_faults,
)

URL = "https://example.com/hook"
GOOD = Rule("r", ("s3:ObjectCreated:*",), KeyFilter("a/", ".jpg"), (Callback(URL),), id="r")


def draft(rule: Rule) -> Draft:
    return Draft(rule, "rules[2].", TargetText("urls", urls=(URL,)), Resolved((Callback(URL),)))


@pytest.mark.parametrize(
    "rule",
    [
        GOOD,
        replace(GOOD, name="A-z_0"),
        replace(GOOD, name="n" * 256),
        replace(GOOD, keys=KeyFilter("p" * 1022, "s" * 1022)),
        replace(GOOD, keys=KeyFilter("图" * 340 + "ab", "")),
        replace(GOOD, events=("s3:ObjectCreated:Put", "s3:ObjectAccessed:*", "s3:ObjectCreated:Put")),
        replace(GOOD, id="arn:aws:cloudformation:us-east-1:000000000000:stack/S/3f1e--1"),
    ],
)
def test_what_keeps_to_the_limits_is_accepted(rule: Rule) -> None:
    assert list(form_faults(draft(rule), DEFAULT_LIMITS)) == []


@pytest.mark.parametrize(
    ("rule", "limit", "field", "value"),
    [
        (replace(GOOD, name="n" * 257), "rule_name_bytes", "name", "n" * 200 + "…"),
        (replace(GOOD, name="a b"), "rule_name_bytes", "name", "a b"),
        (replace(GOOD, name="名"), "rule_name_bytes", "name", "名"),
        (replace(GOOD, name="a\n"), "rule_name_bytes", "name", "a\n"),
        (replace(GOOD, id="\ud800"), "unicode", "id", "\\ud800"),
        (replace(GOOD, events=()), "events", "events", ""),
        (replace(GOOD, events=("s3:ObjectCreated:*", "s3:Nope")), "event_name", "events[1]", "s3:Nope"),
        (replace(GOOD, keys=KeyFilter("p" * 1023, "")), "prefix_bytes", "prefix", "p" * 200 + "…"),
        (replace(GOOD, keys=KeyFilter("", "图" * 341)), "suffix_bytes", "suffix", "图" * 200 + "…"),
        (replace(GOOD, keys=KeyFilter("a\udfff", "")), "unicode", "prefix", "a\\udfff"),
    ],
)
def test_what_breaks_a_limit_is_refused_in_its_place(rule: Rule, limit: str, field: str, value: str) -> None:
    (fault,) = form_faults(draft(rule), DEFAULT_LIMITS)
    assert (fault.code, fault.limit, fault.field, fault.value) == ("InvalidArgument", limit, f"rules[2].{field}", value)
    assert fault.rule == rule.name
    assert fault.message
    assert fault.advice


@pytest.mark.parametrize(
    ("event", "near"),
    [
        ("s3:ObjectCreate:Put", "s3:ObjectCreated:Put"),
        ("ObjectCreated:Copy", "s3:ObjectCreated:Copy"),
        ("s3:objectremoved:delete", "s3:ObjectRemoved:Delete"),
        ("", "s3:ObjectCreated:*"),
    ],
)
def test_an_unknown_event_is_answered_with_the_nearest_names(event: str, near: str) -> None:
    (fault,) = form_faults(draft(replace(GOOD, events=(event,))), DEFAULT_LIMITS)
    assert near in fault.advice
    assert fault.arguments == (("ArgumentName", "Event"), ("ArgumentValue", event))


def limits_of(faults: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.limit, fault.field) for fault in faults]


def test_a_bucket_holds_a_hundred_rules_with_names_of_their_own() -> None:
    rules = [replace(GOOD, name=f"r{i}", id=f"i{i}") for i in range(101)]
    assert list(document_faults(rules[:100], DEFAULT_LIMITS)) == []
    assert limits_of(list(document_faults(rules, DEFAULT_LIMITS))) == [("rules_per_bucket", "rules")]
    same = [GOOD, replace(GOOD, id="other"), replace(GOOD, name="other")]
    expected = [("unique_name", "rules[1].name"), ("unique_id", "rules[2].id")]
    assert limits_of(list(document_faults(same, DEFAULT_LIMITS))) == expected


def bucket_of(*functions: str) -> Bucket:
    rules = (replace(GOOD, name=f"r{i}", targets=(FunctionRef(name),)) for i, name in enumerate(functions))
    return Bucket("b", "cn-north-1", rules=tuple(rules))


@pytest.mark.parametrize(
    ("before", "after", "elsewhere", "refused"),
    [
        (0, 10, 0, False),
        (0, 11, 0, True),
        (0, 4, 6, False),
        (0, 5, 6, True),
        (6, 5, 20, False),  # narrowed limits must not stand in the way of getting below them
        (6, 6, 20, False),
        (6, 7, 20, True),
    ],
)
def test_a_function_has_ten_triggers_over_all_buckets(before: int, after: int, elsewhere: int, refused: bool) -> None:
    now, then = bucket_of(*["f"] * before), bucket_of(*["f"] * after)
    faults = list(trigger_faults(now, then, {"f": elsewhere}, DEFAULT_LIMITS))
    assert limits_of(faults) == ([("triggers_per_function", "target")] if refused else [])
    if refused:
        assert str(after + elsewhere) in faults[0].message


def test_overlap_names_both_rules_and_a_key() -> None:
    rules = (
        replace(GOOD, name="all", keys=KeyFilter()),
        replace(GOOD, name="removed", events=("s3:ObjectRemoved:*",)),
        replace(GOOD, name="images", keys=KeyFilter("images/", ""), events=("s3:ObjectCreated:Put",)),
    )
    (fault,) = overlap_faults(Bucket("b", "cn-north-1", rules=rules), DEFAULT_LIMITS)
    assert (fault.code, fault.limit, fault.field) == ("InvalidArgument", "overlap", "rules[2]")
    assert (fault.rule, fault.other_rule, fault.witness) == ("images", "all", "images/")
    assert fault.arguments[1] == ("ArgumentValue", "s3:ObjectCreated:*, s3:ObjectCreated:Put")
    assert fault.message.startswith("Configuration is ambiguously defined.")
    for word in ("'images/'", "all", "first-match", "fan-out"):
        assert word in fault.advice


def test_overlap_is_allowed_where_the_mode_says_what_it_means() -> None:
    rules = (GOOD, replace(GOOD, name="again"))
    assert list(overlap_faults(Bucket("b", "cn-north-1", "first-match", rules=rules), DEFAULT_LIMITS)) == []
    assert list(overlap_faults(Bucket("b", "cn-north-1", "fan-out", rules=rules), DEFAULT_LIMITS)) == []
    assert len(list(overlap_faults(Bucket("b", "cn-north-1", "strict", rules=rules), DEFAULT_LIMITS))) == 1


@pytest.mark.parametrize("name", ["ab", "my-bucket.v2", "Legacy_Bucket", "b" * 255])
def test_bucket_names_of_every_store(name: str) -> None:
    assert list(bucket_faults(name, "cn-north-1")) == []


@pytest.mark.parametrize("name", ["", "a", "b" * 256, "a/b", "-ab", "..", "a b", "桶桶桶", "ab\n"])
def test_other_bucket_names_are_refused(name: str) -> None:
    assert [fault.code for fault in bucket_faults(name, "cn-north-1")] == ["InvalidBucketName"]


@pytest.mark.parametrize("region", ["", "cn north", "r" * 65])
def test_other_regions_are_refused(region: str) -> None:
    assert [fault.code for fault in bucket_faults("ab", region)] == ["InvalidLocationConstraint"]


def test_a_named_callback_is_checked_like_a_rule() -> None:
    assert list(named_callback_faults(NamedCallback("hook", (URL,)), DEFAULT_LIMITS)) == []
    bad = NamedCallback("a b", ("ftp://x",), "cn north")
    found = limits_of(list(named_callback_faults(bad, DEFAULT_LIMITS)))
    assert found == [("callback_name", "name"), ("region", "region"), ("callback_url", "urls[0]")]
