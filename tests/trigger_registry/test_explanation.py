"""Explanations, held against what matching does."""

from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.explanation import explain
from ossfn.trigger_registry.matching import Matcher
from ossfn.trigger_registry.rules import AsPut, Bucket, Callback, FunctionRef, KeyFilter, Mode, Rule

EVENT = "s3:ObjectCreated:Put"
MODES: tuple[Mode, ...] = ("strict", "first-match", "fan-out")


def rule(name: str, keys: KeyFilter, *events: str, enabled: bool = True) -> Rule:
    return Rule(name, events or ("s3:ObjectCreated:*",), keys, (FunctionRef(name),), enabled=enabled)


RULES = (
    rule("off", KeyFilter(), enabled=False),
    rule("removed", KeyFilter(), "s3:ObjectRemoved:*"),
    rule("logs", KeyFilter("logs/")),
    rule("png", KeyFilter("", ".png")),
    rule("jpg", KeyFilter("", ".jpg")),
    rule("all", KeyFilter()),
)


def test_says_why_for_every_rule() -> None:
    explained = explain(Bucket("b", "cn-north-1", "first-match", rules=RULES), "images/1.jpg", "ObjectCreated:Put")
    assert explained.event_name == EVENT
    assert [verdict.why for verdict in explained.verdicts] == [
        "disabled", "event", "prefix", "suffix", "matched", "earlier",
    ]  # fmt: skip
    assert [verdict.reason for verdict in explained.verdicts] == [
        "The rule is disabled.",
        "It wants s3:ObjectRemoved:*, not s3:ObjectCreated:Put.",
        "The key does not begin with 'logs/'.",
        "The key does not end with '.png'.",
        "Event and key match.",
        "It matches too, but the earlier rule jpg took the event.",
    ]
    assert explained.targets == (FunctionRef("jpg"),)


def test_shows_how_a_url_encoded_filter_was_put() -> None:
    as_put = AsPut("Queue", "NS:http://a", (("Prefix", "a%3Db/"),))
    encoded = Rule("r", ("s3:ObjectCreated:*",), KeyFilter("a=b/"), (Callback("http://a"),), as_put=as_put)
    (verdict,) = explain(Bucket("b", "cn-north-1", rules=(encoded,)), "x", EVENT).verdicts
    assert verdict.reason == "The key does not begin with 'a=b/' (put as 'a%3Db/', URL-encoded)."


@given(
    st.lists(st.sampled_from(RULES), max_size=6), st.sampled_from(MODES), st.sampled_from(["logs/1.png", "a.jpg", "x"])
)
def test_names_the_rules_that_matching_takes(some: list[Rule], mode: Mode, key: str) -> None:
    bucket = Bucket("b", "cn-north-1", mode, rules=tuple(some))
    matched = tuple(verdict.rule for verdict in explain(bucket, key, EVENT).verdicts if verdict.matched)
    assert matched == Matcher(bucket).match(EVENT, key).rules
