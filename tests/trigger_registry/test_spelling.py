"""Plain values and their spelling in an S3 document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.rules import AsPut, Callback, FunctionRef, KeyFilter, Rule, Target
from ossfn.trigger_registry.spelling import addressed, carried_over, completed, plain, spelled
from ossfn.trigger_registry.targets import Resolved


@pytest.mark.parametrize(
    ("put", "meant"),
    [
        ("photos/", "photos/"),
        ("year%3D2026/", "year=2026/"),
        ("%E5%9B%BE/", "图/"),
        ("a%20b+c", "a b+c"),
        ("a+b", "a+b"),
        ("100%", "100%"),
        ("50%zz", "50%zz"),
        ("%FF/", "%FF/"),  # no UTF-8: meant as it stands
        ("%2541", "%41"),
        ("", ""),
    ],
)
def test_decodes_what_is_url_encoded_and_nothing_else(put: str, meant: str) -> None:
    assert plain(put) == meant


@given(st.text(alphabet="aF%25+é图", max_size=12))
def test_a_spelled_value_means_itself(value: str) -> None:
    assert plain(spelled(value)) == value


def rule(*targets: Target, keys: KeyFilter = KeyFilter(), as_put: AsPut = AsPut()) -> Rule:  # noqa: B008 - frozen values
    return Rule("r", ("s3:ObjectCreated:*",), keys, targets, as_put=as_put)


def test_a_document_decides_the_plain_filter() -> None:
    as_put = AsPut("Queue", "NS:http://a", (("Suffix", ".jpg"), ("Prefix", "a%3Db/")))
    assert completed(rule(as_put=as_put)) == rule(keys=KeyFilter("a=b/", ".jpg"), as_put=as_put)


def test_plain_values_decide_the_spelling() -> None:
    given = rule(FunctionRef("f"), keys=KeyFilter("100%25/", ""))
    assert completed(given).as_put == AsPut("CloudFunction", "", (("Prefix", "100%2525/"),))
    assert completed(completed(given)).keys == given.keys


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Resolved((FunctionRef("f"),)), "f"),
        (Resolved((FunctionRef("f"),), exists=False), "arn:ossfn:lambda:cn-north-1:f:function"),
        (Resolved((Callback("http://a"), Callback("http://b"))), "NS:http://a,http://b"),
    ],
)
def test_a_rule_without_a_target_text_gets_one(found: Resolved, text: str) -> None:
    after = addressed(rule(), found, "cn-north-1")
    assert (after.targets, after.as_put.target_text) == (found.targets, text)


def test_a_document_keeps_its_target_text() -> None:
    as_put = AsPut("Queue", "arn:minio:sqs::hook:webhook")
    assert addressed(rule(as_put=as_put), Resolved((Callback("http://a"),)), "cn-north-1").as_put == as_put


def test_a_rule_that_says_the_same_keeps_the_spelling() -> None:
    as_put = AsPut("Queue", "arn:minio:sqs::hook:webhook", (("Prefix", "a%3Db/"),))
    old = rule(Callback("http://a"), keys=KeyFilter("a=b/"), as_put=as_put)
    assert carried_over(rule(Callback("http://a"), keys=KeyFilter("a=b/")), old) == old
    other_keys = carried_over(rule(Callback("http://a"), keys=KeyFilter("c/")), old)
    assert other_keys.as_put == AsPut("Queue", as_put.target_text, (("Prefix", "c/"),))
    other_target = rule(Callback("http://b"), keys=KeyFilter("a=b/"))
    assert carried_over(other_target, old) == other_target
