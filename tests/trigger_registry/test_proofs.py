"""Callbacks that must agree before a rule may send to them: when they are asked, and what comes of their answers."""

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from ossfn.trigger_registry.errors import RegistryUnavailable, RuleRefused
from ossfn.trigger_registry.proofs import Answers, Question
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import AsPut, Callback, FunctionRef, KeyFilter, Rule, Target, Verification
from ossfn.trigger_registry.stores.sql import SqlRuleStore

from .conftest import Functions

JD = Rule("jd", ("s3:ObjectCreated:*",), KeyFilter("a/"), (Callback("http://a.example/"),), verification="jd")
CE = replace(JD, name="ce", keys=KeyFilter("b/"), targets=(Callback("http://b.example/"),), verification="cloudevents")
NEITHER = replace(JD, name="neither", keys=KeyFilter("c/"), verification="none")


@dataclass
class Callbacks:
    """Callbacks and what they say when they are asked; they agree unless told to refuse."""

    refusing: dict[str, str] = field(default_factory=dict)
    asked: list[set[Question]] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None

    def verify(self, questions: Collection[Question]) -> Answers:
        self.asked.append(set(questions))
        self.meanwhile()
        return {question: self.refusing.get(question[0], "") for question in questions}

    def hold(self, reasons: Mapping[str, str]) -> None:
        self.held |= reasons


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks()


@pytest.fixture
def asking(url: str, functions: Functions, callbacks: Callbacks) -> Iterator[Registry]:
    names = (f"made{n}" for n in itertools.count())
    registry = Registry(SqlRuleStore(url), functions, verifier=callbacks, clock=time.time, new_name=lambda: next(names))
    registry.open()
    registry.put_bucket("photos", actor="test")
    yield registry
    registry.close()


def test_every_new_callback_is_asked_once(asking: Registry, callbacks: Callbacks) -> None:
    asking.put_rules("photos", [JD, CE, NEITHER], actor="test")
    assert callbacks.asked == [{("http://a.example/", "jd"), ("http://b.example/", "cloudevents")}]
    asking.put_rules("photos", [CE, replace(JD, events=("s3:ObjectRemoved:*",))], actor="test")
    asking.put_rule("photos", replace(JD, keys=KeyFilter("d/")), actor="test")
    assert len(callbacks.asked) == 1, "what has agreed is not asked again"
    asking.put_rule("photos", replace(JD, verification="cloudevents"), actor="test")
    asking.rollback("photos", 1, actor="test")
    asking.rollback("photos", 2, actor="test")
    assert callbacks.asked[1:] == [{("http://a.example/", "cloudevents")}, *callbacks.asked[:1]]


@pytest.mark.parametrize("target", [FunctionRef("thumbs"), Callback("http://a.example/")])
def test_functions_are_not_asked(asking: Registry, callbacks: Callbacks, target: Target) -> None:
    stored = asking.put_rule("photos", replace(JD, targets=(target,)), actor="test").rules[0]
    is_callback = isinstance(target, Callback)
    assert (stored.verification, len(callbacks.asked)) == (("jd", 1) if is_callback else ("none", 0))


def test_who_does_not_agree_is_refused_with_the_place(asking: Registry, callbacks: Callbacks) -> None:
    callbacks.refusing = {"http://b.example/": "it answered with 404"}
    both = replace(CE, targets=(Callback("http://x.example/"), *CE.targets))
    with pytest.raises(RuleRefused) as refused:
        asking.put_rules("photos", [JD, both], actor="test")
    (fault,) = refused.value.faults
    assert (fault.code, fault.message) == ("InvalidArgument", "Topic is absent, verification failed")
    assert (fault.rule, fault.field, fault.value) == ("ce", "rules[1].target.callbacks[1]", "http://b.example/")
    assert fault.arguments == (("ArgumentName", "Topic"), ("ArgumentValue", "http://b.example/"))
    assert fault.advice.startswith("It answered with 404. ")
    assert asking.bucket("photos").rules == ()
    assert callbacks.held == {}


def test_nobody_is_asked_about_what_is_wrong_anyway(asking: Registry, callbacks: Callbacks) -> None:
    with pytest.raises(RuleRefused):
        asking.put_rules("photos", [JD, replace(CE, keys=KeyFilter("a/b"))], actor="test")
    assert callbacks.asked == []


def test_kept_unverified_only_when_asked_for_and_then_on_hold(asking: Registry, callbacks: Callbacks) -> None:
    callbacks.refusing = {"http://b.example/": "it hangs"}
    asking.put_rules("photos", [JD, CE], actor="test", store_unverified=True)
    assert [rule.name for rule in asking.bucket("photos").rules] == ["jd", "ce"]
    assert callbacks.held == {"http://b.example/": "it hangs"}
    asking.put_rules("photos", [CE], actor="test")
    assert len(callbacks.asked) == 1


def test_an_operator_may_keep_all_unverified(url: str, functions: Functions, callbacks: Callbacks) -> None:
    callbacks.refusing = {"http://a.example/": "no"}
    lenient = Registry(
        SqlRuleStore(url), functions, verifier=callbacks, store_unverified=True, clock=time.time, new_name=lambda: "x"
    )
    lenient.open()
    spelled = AsPut("Topic", "NS:http://a.example/")
    document = [replace(JD, targets=(), as_put=spelled)]
    bucket = lenient.put_document("photos", document, owner="ann", actor="test", may_create=True)
    lenient.close()
    assert (bucket.owner, bucket.rules[0].targets) == ("ann", JD.targets)
    assert callbacks.held == {"http://a.example/": "no"}


@pytest.mark.parametrize(("before", "after"), [("none", "jd"), ("cloudevents", "cloudevents")])
def test_a_document_moves_no_rule_to_a_callback_that_was_not_asked(
    asking: Registry, callbacks: Callbacks, before: Verification, after: Verification
) -> None:
    asking.put_rule("photos", replace(JD, verification=before), actor="json api")
    for url, asked in (("http://a.example/", before), ("http://n.example/", after)):
        rule = replace(JD, name="", id="jd", targets=(), as_put=AsPut("Topic", f"NS:{url}"))
        stored = asking.put_document("photos", [rule], owner="ann", actor="test").rules[0]
        assert (stored.targets, stored.verification) == ((Callback(url),), asked)
    assert callbacks.asked[-1] == {("http://n.example/", after)}


def test_others_write_while_callbacks_are_asked(asking: Registry, callbacks: Callbacks) -> None:
    callbacks.meanwhile = lambda: asking.put_rule("photos", NEITHER, actor="other")
    asking.put_rule("photos", JD, actor="test")
    assert [rule.name for rule in asking.bucket("photos").rules] == ["neither", "jd"]


def test_a_named_callback_that_moves_is_asked_at_its_new_place(asking: Registry, callbacks: Callbacks) -> None:
    asking.put_callback("hook", ["http://a.example/"], actor="test")
    named = replace(JD, targets=(), as_put=AsPut("Queue", "arn:ossfn:sqs:cn-north-1:hook:callback"))
    asking.put_rule("photos", named, actor="test")
    callbacks.refusing = {"http://n.example/": "no"}
    with pytest.raises(RuleRefused):
        asking.put_callback("hook", ["http://n.example/"], actor="test")
    assert asking.callback("hook").urls == ("http://a.example/",)
    asking.put_callback("hook", ["http://m.example/"], actor="test")
    assert asking.rule("photos", "jd").targets == (Callback("http://m.example/"),)
    assert [url for asked in callbacks.asked for url, _ in asked] == [
        "http://a.example/",
        "http://n.example/",
        "http://m.example/",
    ]


def test_a_named_callback_that_comes_after_its_rule_is_asked(asking: Registry, callbacks: Callbacks) -> None:
    named = replace(JD, targets=(), as_put=AsPut("Queue", "arn:ossfn:sqs:cn-north-1:hook:callback"))
    asking.put_rule("photos", named, actor="test", skip_destination_validation=True)
    assert callbacks.asked == []
    asking.put_callback("hook", ["http://a.example/"], actor="test")
    assert callbacks.asked == [{("http://a.example/", "jd")}]


def test_a_registry_alone_takes_no_rule_that_needs_consent(registry: Registry) -> None:
    with pytest.raises(RuleRefused, match="verification failed"):
        registry.put_rule("photos", JD, actor="test")
    with pytest.raises(RegistryUnavailable):
        registry.put_rule("photos", JD, actor="test", store_unverified=True)
    assert registry.bucket("photos").rules == ()
