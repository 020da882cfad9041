"""Callbacks registered under a name, and the rules that follow them."""

from collections.abc import Callable

import pytest

from ossfn.trigger_registry.errors import Fault, InUse, NoSuchCallback, RuleRefused
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import AsPut, Callback, Element, KeyFilter, Rule

PUT = "s3:ObjectCreated:Put"


def put_as(text: str, element: Element = "Queue", *, rule_id: str = "") -> Rule:
    """A rule as the S3 door hands it in."""
    as_put = AsPut(element, text)
    return Rule("", ("s3:ObjectCreated:*",), KeyFilter(), (), id=rule_id, as_put=as_put)


def refused(refusal: Callable[[], object]) -> list[Fault]:
    with pytest.raises(RuleRefused) as caught:
        refusal()
    return list(caught.value.faults)


def test_rules_follow_their_named_callback(registry: Registry) -> None:
    registry.put_callback("hook", ["http://a/1"], actor="ops")
    registry.put_rules("photos", [put_as("arn:minio:sqs::hook:webhook", rule_id="r")], actor="s3")
    registry.put_callback("hook", ["http://b/1", "http://b/2"], actor="ops")
    assert registry.match("photos", PUT, "k").rules[0].targets == (Callback("http://b/1"), Callback("http://b/2"))
    assert registry.history("photos")[0].action == "put callback hook"
    assert registry.callback("hook").urls == ("http://b/1", "http://b/2")
    with pytest.raises(InUse) as caught:
        registry.delete_callback("hook", actor="ops")
    assert caught.value.users == ["photos/r"]
    registry.put_rules("photos", [], actor="s3")
    registry.delete_callback("hook", actor="ops")
    assert registry.callbacks() == []
    with pytest.raises(NoSuchCallback):
        registry.callback("hook")
    with pytest.raises(NoSuchCallback):
        registry.delete_callback("hook", actor="ops")


def test_a_named_callback_does_not_move_away_from_its_rules(registry: Registry) -> None:
    registry.put_callback("hook", ["http://a/1"], actor="ops")
    registry.put_rules("photos", [put_as("arn:minio:sqs::hook:webhook")], actor="s3")
    (fault,) = refused(lambda: registry.put_callback("hook", ["http://b"], region="cn-east-2", actor="ops"))
    assert (fault.limit, fault.field) == ("target_region", "rules[0].target")
    assert registry.callback("hook").urls == ("http://a/1",)


def test_a_rule_put_before_its_callback_starts_to_work(registry: Registry) -> None:
    queue = put_as("arn:aws:sqs:cn-north-1:000000000000:jobs", rule_id="r")
    registry.put_rules("photos", [queue], actor="s3", skip_destination_validation=True)
    registry.put_callback("jobs", ["http://a/1"], actor="ops")
    assert registry.match("photos", PUT, "k").rules[0].targets == (Callback("http://a/1"),)


def test_a_bad_named_callback_is_refused(registry: Registry) -> None:
    assert [fault.field for fault in refused(lambda: registry.put_callback("x y", ["nope"], actor="ops"))] == [
        "name", "urls[0]",
    ]  # fmt: skip
    assert registry.callbacks() == []
    registry.put_callback("far", ["http://a"], region="cn-east-2", actor="ops")
    (fault,) = refused(lambda: registry.put_rules("photos", [put_as("arn:ossfn:sqs::far:callback")], actor="s3"))
    assert fault.limit == "target_region"
