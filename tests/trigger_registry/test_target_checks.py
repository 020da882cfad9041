"""Targets that cannot be: how they are refused, to the letter where Amazon S3 is known to answer so."""

from dataclasses import replace

import pytest

from ossfn.trigger_registry.drafts import Draft
from ossfn.trigger_registry.limits import DEFAULT_LIMITS
from ossfn.trigger_registry.rules import AsPut, Callback, Element, FunctionRef, KeyFilter, Rule
from ossfn.trigger_registry.target_checks import callback_faults, target_faults, target_form_faults
from ossfn.trigger_registry.targets import Resolved, TargetText, parse

NOT_THERE = Resolved((FunctionRef("nope"),), exists=False)


def draft(text: str, found: Resolved | None, element: Element = "Queue") -> Draft:
    rule = Rule("r", ("s3:ObjectCreated:*",), KeyFilter(), (), id="r", as_put=AsPut(element, text))
    return Draft(rule, "rules[0].", parse(text), found)


@pytest.mark.parametrize("element", ["Queue", "Topic", "CloudFunction"])
@pytest.mark.parametrize("text", ["invalid-queue", "not an arn"])
def test_text_that_is_no_target_is_answered_as_on_s3(text: str, element: Element) -> None:
    (fault,) = target_form_faults(draft(text, NOT_THERE if parse(text) else None, element), DEFAULT_LIMITS)
    assert (fault.code, fault.message) == ("InvalidArgument", "The ARN could not be parsed")
    assert fault.arguments == (("ArgumentName", element), ("ArgumentValue", text))
    assert "arn:ossfn:lambda:" in fault.advice


def test_a_rule_without_a_target_or_with_two_kinds_is_told_what_it_may_have() -> None:
    (fault,) = target_form_faults(draft("", None), DEFAULT_LIMITS)
    assert fault.message == "A rule has 1 to 5 callbacks or one function as its target."


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://example.com:8443/hook?x=1&y=%2C",
        "HTTPS://EXAMPLE.COM/",
        "http://[::1]:80/",
        "http://例子.测试/路径",
        "http://a/" + "x" * 2039,
        "http://xn--fsqu00a.xn--0zwm56d./",
        "http://my_host-1.internal:1/%23",
        "http://127.0.0.1/",
        f"http://{'a' * 63}/",
    ],
)
def test_complete_urls_are_callbacks(url: str) -> None:
    assert list(callback_faults([url], DEFAULT_LIMITS, "urls")) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no complete"),
        ("example.com/hook", "no complete"),
        ("ftp://example.com/", "no complete"),
        ("http://", "no complete"),
        ("http:///path", "no complete"),
        ("https:example.com", "no complete"),
        ("http://user:secret@example.com/", "user name"),
        ("http://@example.com/", "user name"),
        ("http://a/x,y", "comma"),
        ("http://a/x y", "space"),
        ("http://a/\r\nHost: b", "control"),
        ("http://a/\ud800", "control"),
        ("http://a:99999/", "Port"),
        ("http://[::1/", "IPv6"),
        ("http://a/" + "x" * 2040, "longer than 2048 bytes"),
        ("http://a:0/", "port 0"),
        ("http://a/hook#here", "#"),
        ("http://a/#", "#"),
        ("http://.../", "no host name"),
        ("http://a..b/", "no host name"),
        (f"http://{'a' * 64}/", "no host name"),
        (f"http://{'.'.join(['a' * 60] * 5)}/", "no host name"),
        ("http://a%41b/", "no host name"),
        ("http://①②⑦.0.0.1/", "not allowed"),
        ("http://☃.net/", "not allowed"),
        ("http://xn--a.com/", "not allowed"),
        ("http://xn--/", "Malformed A-label"),
        ("http://256.1.1.1/", "IPv4"),
        ("http://[v1.a]/", "IPv"),
    ],
)
def test_anything_else_is_not(url: str, reason: str) -> None:
    (fault,) = callback_faults(["http://ok", url], DEFAULT_LIMITS, "target.callbacks")
    assert (fault.limit, fault.field) == ("callback_url", "target.callbacks[1]")
    assert reason in fault.message


def test_a_rule_has_one_to_five_callbacks_each_once() -> None:
    five = [f"http://a/{i}" for i in range(5)]
    assert list(callback_faults(five, DEFAULT_LIMITS, "urls")) == []
    for wrong in ([], [*five, "http://a/5"]):
        (fault,) = callback_faults(wrong, DEFAULT_LIMITS, "urls")
        assert (fault.limit, fault.value) == ("callbacks_per_rule", str(len(wrong)))
    (fault,) = callback_faults(["http://a", "http://a"], DEFAULT_LIMITS, "urls")
    assert (fault.field, "twice" in fault.message) == ("urls[1]", True)


def test_targets_that_do_not_exist_are_listed_in_one_fault() -> None:
    drafts = [
        draft("arn:aws:sqs:cn-north-1:000000000000:one", NOT_THERE),
        draft("arn:aws:sns:cn-north-1:000000000000:two", NOT_THERE, "Topic"),
        draft("arn:aws:lambda:cn-north-1:000000000000:function:three", NOT_THERE, "CloudFunction"),
        draft("NS:http://a", Resolved((Callback("http://a"),))),
    ]
    (fault,) = target_faults(drafts, "cn-north-1", DEFAULT_LIMITS, may_be_missing=False)
    assert fault.message == "Unable to validate the following destination configurations"
    function = "arn:aws:lambda:cn-north-1:000000000000:function:three"
    assert fault.arguments == (
        ("ArgumentName1", "arn:aws:sqs:cn-north-1:000000000000:one"),
        ("ArgumentValue1", "The destination queue does not exist"),
        ("ArgumentName2", "arn:aws:sns:cn-north-1:000000000000:two"),
        ("ArgumentValue2", "The destination topic does not exist"),
        ("ArgumentName3", f"{function}, null"),
        ("ArgumentValue3", f"Not authorized to invoke function [{function}]"),
    )
    assert list(target_faults(drafts, "cn-north-1", DEFAULT_LIMITS, may_be_missing=True)) == []


HERE = Resolved((FunctionRef("f"),), region="cn-north-1")
WRONG_REGION = "The notification destination service region is not valid for the bucket location constraint"


@pytest.mark.parametrize(
    ("given", "region", "limit"),
    [
        (draft("arn:ossfn:lambda:cn-north-1:f:function", HERE), "cn-north-1", None),
        (draft("arn:ossfn:lambda::f:function", HERE), "cn-north-1", None),
        (draft("arn:ossfn:lambda:cn-east-2:f:function", HERE), "cn-north-1", "target_region"),
        (draft("f", Resolved((FunctionRef("f"),), region="cn-east-2")), "cn-north-1", "target_region"),
        (draft("f", Resolved((FunctionRef("f"),), region="cn-east-2")), "cn-east-2", "function_regions"),
        (draft("arn:aws:lambda:cn-east-2:0:function:nope", NOT_THERE), "cn-east-2", "function_regions"),
        (draft("arn:aws:sqs:cn-east-2:0:nope", NOT_THERE), "cn-east-2", None),
        (draft("arn:aws:sqs:cn-east-2:0:nope", NOT_THERE), "cn-north-1", "target_region"),
        (draft("NS:http://a", Resolved((Callback("http://a"),))), "cn-east-2", None),
        (
            draft("arn:minio:sqs::h:webhook", Resolved((Callback("http://a"),), region="cn-east-2")),
            "cn-south-1",
            "target_region",
        ),
    ],
)
def test_target_and_bucket_are_in_one_region_and_functions_in_theirs(
    given: Draft, region: str, limit: str | None
) -> None:
    faults = list(target_faults([given], region, DEFAULT_LIMITS, may_be_missing=True))
    assert [fault.limit for fault in faults] == ([limit] if limit else [])
    assert all(fault.message == WRONG_REGION for fault in faults)


def test_a_function_for_a_bucket_where_no_functions_are_is_told_what_can_be_done() -> None:
    (fault,) = target_faults([draft("f", HERE)], "cn-east-2", DEFAULT_LIMITS, may_be_missing=True)
    assert fault.limit == "target_region"
    assert fault.advice.endswith("use a callback, or a bucket in cn-north-1.")


def test_an_operator_may_open_functions_to_every_region() -> None:
    far = draft("f", Resolved((FunctionRef("f"),), region="cn-east-2"))
    open_limits = replace(DEFAULT_LIMITS, function_regions=())
    assert list(target_faults([far], "cn-east-2", open_limits, may_be_missing=False)) == []


def test_a_target_in_another_region_is_not_called_missing_too() -> None:
    given = draft("arn:aws:sqs:cn-east-2:000000000000:nope", NOT_THERE)
    faults = list(target_faults([given], "cn-north-1", DEFAULT_LIMITS, may_be_missing=False))
    assert [fault.limit for fault in faults] == ["target_region"]


def test_a_function_named_without_a_text_is_missing_and_not_unreadable() -> None:
    rule = Rule("r", ("s3:ObjectCreated:*",), KeyFilter(), (FunctionRef("nope"),), id="r")
    given = Draft(rule, "", TargetText("function", "nope"), NOT_THERE)
    assert list(target_form_faults(given, DEFAULT_LIMITS)) == []
    (fault,) = target_faults([given], "cn-north-1", DEFAULT_LIMITS, may_be_missing=False)
    assert fault.arguments[0] == ("ArgumentName1", "nope, null")
