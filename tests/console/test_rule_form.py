"""From a form's fields to the API's JSON, and from its faults back to the fields."""

import pytest
from starlette.datastructures import ImmutableMultiDict

from ossfn.adapter.web.api_rule_shapes import RuleIn
from ossfn.adapter.web.console.rule_form import EMPTY, beside, rule_of

TYPED = [
    ("name", " images "),
    ("event", "s3:ObjectCreated:Put"),
    ("event", "s3:ObjectCreated:Post"),
    ("prefix", " in/"),
    ("send_to", "callbacks"),
    ("callback", ""),
    ("callback", "https://example.com/1 "),
    ("callback", ""),
    ("callback", "https://example.com/2"),
    ("function", "thumbs"),
    ("enabled", "on"),
]


def fault(field: str, code: str = "InvalidArgument", limit: str = "") -> dict[str, str]:
    """A fault as the API tells it."""
    return {"field": field, "code": code, "limit": limit, "message": "no"}


def test_a_form_is_a_rule_as_the_api_takes_it() -> None:
    rule = rule_of(ImmutableMultiDict(TYPED))
    assert RuleIn.model_validate(rule).rule().targets[1].id == "callback:https://example.com/2"
    assert rule["name"] == "images"
    assert rule["prefix"] == " in/"  # a key may begin with a space
    assert rule["events"] == ["s3:ObjectCreated:Put", "s3:ObjectCreated:Post"]
    assert rule.keys() == EMPTY.keys()


def test_the_choice_of_a_function_leaves_addresses_out() -> None:
    typed = [pair for pair in TYPED if pair[0] != "send_to"]
    assert rule_of(ImmutableMultiDict([*typed, ("send_to", "function")]))["target"] == {"function": "thumbs"}


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (fault("name"), "name"),
        (fault("rules[3].id"), "name"),
        (fault("", code="RuleAlreadyExists"), "name"),
        (fault("events[2]"), "events"),
        (fault("prefix"), "prefix"),
        (fault("target"), "target"),
        (fault("target.callbacks"), "target"),
        (fault("target.callbacks[0]"), "callback-1"),
        (fault("target.callbacks[1]"), "callback-3"),
        (fault("rules[1]", limit="overlap"), "keys"),
        (fault("rules", limit="rules_per_bucket"), "rule"),
        (fault("", code="PreconditionFailed"), "rule"),
    ],
)
def test_a_fault_stands_beside_its_field(found: dict[str, str], place: str) -> None:
    assert beside([found], ImmutableMultiDict(TYPED)) == {place: [found]}
