"""Target texts of S3 elements."""

import pytest

from ossfn.trigger_registry.rules import AsPut, Callback, FunctionRef, KeyFilter, NamedCallback, Rule, Target
from ossfn.trigger_registry.targets import Resolved, TargetText, parse, resolve, text_of, uses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thumbs", TargetText("bare", "thumbs")),
        ("NS:http://a/x", TargetText("urls", urls=("http://a/x",))),
        ("NS:http://a/x,https://b/y", TargetText("urls", urls=("http://a/x", "https://b/y"))),
        ("NS: http://a/x , https://b/y ", TargetText("urls", urls=("http://a/x", "https://b/y"))),
        ("NS:", TargetText("urls", urls=("",))),
        ("arn:aws:lambda:us-east-1:000000000000:function:f", TargetText("function", "f", "us-east-1")),
        ("arn:aws-cn:lambda:cn-north-1:000000000000:function:f:7", TargetText("function", "f", "cn-north-1")),
        ("arn:ossfn:lambda:cn-north-1:f:function", TargetText("function", "f", "cn-north-1")),
        ("arn:ossfn:sqs:cn-north-1:f:function", TargetText("function", "f", "cn-north-1")),
        ("arn:minio:sqs::hook:callback", TargetText("callback", "hook")),
        ("arn:minio:sqs::hook:webhook", TargetText("callback", "hook")),
        ("arn:aws:sqs:us-east-1:000000000000:queue", TargetText("either", "queue", "us-east-1")),
        ("arn:aws:sns:us-east-1:000000000000:callback", TargetText("either", "callback", "us-east-1")),
        ("arn:aws:sns:default::hook", TargetText("either", "hook", "default")),
        ("arn:aws:sqs:us-east-1:000000000000:queue.fifo", TargetText("either", "queue.fifo", "us-east-1")),
    ],
)
def test_reads_every_form(text: str, expected: TargetText) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no such form",
        "http://a/x",
        "ns:http://a/x",
        "a" * 129,
        "arn:aws:sqs:us-east-1:000000000000",
        "arn:aws:sqs:us-east-1:000000000000:",
        "arn:aws:s3:::bucket",
        "arn:aws:lambda:us-east-1:000000000000:layer:f",
        "arn:aws:lambda:us-east-1:000000000000:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f:1:2",
        "arn:aws:sqs:us-east-1:000000000000:que ue",
        "arn:aws:sqs:区:000000000000:queue",
        "arn:aws:sqs:us-east-1:00\n0:queue",
    ],
)
def test_anything_else_is_no_target(text: str) -> None:
    assert parse(text) is None


NAMED = {
    "both": NamedCallback("both", ("http://a/1", "http://a/2"), "cn-north-1"),
    "hook": NamedCallback("hook", ("http://a/3",)),
}
REGIONS = {"both": "cn-east-2", "f": "cn-north-1"}
BOTH = (Callback("http://a/1"), Callback("http://a/2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TargetText("bare", "f"), Resolved((FunctionRef("f"),), True, "cn-north-1")),
        (TargetText("bare", "hook"), Resolved((FunctionRef("hook"),), False)),
        (TargetText("function", "both"), Resolved((FunctionRef("both"),), True, "cn-east-2")),
        (TargetText("callback", "both"), Resolved(BOTH, True, "cn-north-1")),
        (TargetText("callback", "f"), Resolved((FunctionRef("f"),), False)),
        (TargetText("either", "both"), Resolved(BOTH, True, "cn-north-1")),
        (TargetText("either", "f"), Resolved((FunctionRef("f"),), True, "cn-north-1")),
        (TargetText("either", "nope"), Resolved((FunctionRef("nope"),), False)),
        (TargetText("urls", urls=("http://a/3",)), Resolved((Callback("http://a/3"),))),
    ],
)
def test_looks_up_what_a_text_names(text: TargetText, expected: Resolved) -> None:
    assert resolve(text, NAMED.get, REGIONS.get) == expected


def rule(*targets: Target, text: str = "") -> Rule:
    return Rule("r", ("s3:ObjectCreated:*",), KeyFilter(), targets, as_put=AsPut(target_text=text))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rule(FunctionRef("f")), TargetText("function", "f")),
        (rule(Callback("http://a"), Callback("http://b")), TargetText("urls", urls=("http://a", "http://b"))),
        (rule(FunctionRef("f"), text="NS:http://a"), TargetText("urls", urls=("http://a",))),
        (rule(), None),
        (rule(FunctionRef("f"), Callback("http://a")), None),
        (rule(Callback("http://a"), FunctionRef("f")), None),
        (rule(FunctionRef("f"), FunctionRef("g")), None),
    ],
)
def test_a_rule_is_of_one_kind_and_its_text_decides(given: Rule, expected: TargetText | None) -> None:
    assert text_of(given) == expected


def test_a_rule_is_filed_under_its_function_and_the_name_that_it_follows() -> None:
    assert uses(rule(FunctionRef("f"))) == {"function:f"}
    assert uses(rule(Callback("http://a"), text="arn:minio:sqs::hook:callback")) == {"callback:hook"}
    assert uses(rule(FunctionRef("f"), text="arn:aws:sqs:r:000000000000:f")) == {"callback:f", "function:f"}
    assert uses(rule(Callback("http://a"))) == frozenset()
