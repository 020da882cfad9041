"""How the registry changes over time: several writers, several processes, history, and limits on the way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ossfn.trigger_registry.errors import Fault, NoSuchGeneration, PreconditionFailed, RuleRefused
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.matching import NOT_REGISTERED
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import Callback, FunctionRef, KeyFilter, Rule

PUT = "s3:ObjectCreated:Put"


def rule(name: str = "", prefix: str = "", suffix: str = "", *, function: str = "", **fields: Any) -> Rule:
    target = FunctionRef(function) if function else Callback(f"http://127.0.0.1/{name}")
    return Rule(name, ("s3:ObjectCreated:*",), KeyFilter(prefix, suffix), (target,), **fields)


def names(registry: Registry, key: str, bucket: str = "photos") -> list[str]:
    return [rule.name for rule in registry.match(bucket, PUT, key).rules]


def refused(refusal: Callable[[], object]) -> list[Fault]:
    with pytest.raises(RuleRefused) as caught:
        refusal()
    return list(caught.value.faults)


def test_rules_outlive_the_process(registry: Registry, open_registry: Callable[..., Registry]) -> None:
    put = rule("all", "图/", ".jpg", function="thumbs", enabled=False, ordered=True, drop_stale=True, format="binary")
    web = replace(rule("web", "x"), drop_stale=True, enabled=False)
    bucket = registry.put_rules("photos", [put, web], actor="ann")
    assert open_registry().bucket("photos") == bucket


def test_other_processes_see_a_change_after_their_refresh(open_registry: Callable[..., Registry]) -> None:
    one, two = open_registry(), open_registry()
    one.put_bucket("photos", actor="ann")
    one.put_rules("photos", [rule("all")], actor="ann")
    assert names(two, "a") == []
    assert two.refresh()
    assert names(two, "a") == ["all"]
    assert not two.refresh()
    one.delete_bucket("photos", cascade=True, actor="ann")
    assert two.refresh()
    assert two.match("photos", PUT, "a") == NOT_REGISTERED


def test_a_change_builds_on_what_other_processes_did(open_registry: Callable[..., Registry]) -> None:
    one, two = open_registry(), open_registry()
    one.put_bucket("photos", actor="ann")
    two.put_rule("photos", rule("a", "a/"), actor="bob")
    one.put_rule("photos", rule("b", "b/"), actor="ann")
    assert names(one, "a/1") == ["a"]
    assert names(one, "b/1") == ["b"]
    two.put_rules("photos", one.bucket("photos").rules, actor="bob")  # nothing new, but new to `two`
    assert names(two, "b/1") == ["b"]


def test_putting_the_same_again_makes_no_new_generation(registry: Registry) -> None:
    given = [rule("a", "a/", function="thumbs")]
    first = registry.put_rules("photos", given, actor="s3")
    assert registry.put_rules("photos", given, actor="s3") == first
    assert len(registry.history("photos")) == 2


def test_a_lost_race_changes_nothing(registry: Registry) -> None:
    seen = registry.bucket("photos").generation
    registry.put_rule("photos", rule("first"), actor="ann", if_generation=seen)
    for late in (
        lambda: registry.put_rule("photos", rule("late", "l"), actor="bob", if_generation=seen),
        lambda: registry.put_rules("photos", [], actor="bob", if_generation=seen),
        lambda: registry.delete_rule("photos", "first", actor="bob", if_generation=seen),
        lambda: registry.put_bucket("photos", mode="fan-out", actor="bob", if_generation=seen),
        lambda: registry.rollback("photos", 1, actor="bob", if_generation=seen),
        lambda: registry.delete_bucket("photos", cascade=True, actor="bob", if_generation=seen),
    ):
        with pytest.raises(PreconditionFailed, match="generation 2"):
            late()
    assert names(registry, "a") == ["first"]
    with pytest.raises(PreconditionFailed):
        registry.put_bucket("photos", actor="bob", if_generation=0)  # 0: only when it is new
    assert registry.put_bucket("music", actor="bob", if_generation=0).generation == 1


def test_threads_that_write_at_once_lose_nothing(registry: Registry) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: registry.put_rule("photos", rule(f"r{n}", f"{n}/"), actor="ann"), range(20)))
    assert {kept.name for kept in registry.bucket("photos").rules} == {f"r{n}" for n in range(20)}
    assert registry.bucket("photos").generation == 21


def test_history_and_rollback(registry: Registry) -> None:
    one = registry.put_rules("photos", [rule("one")], actor="ann")
    registry.put_bucket("photos", mode="fan-out", actor="bob")
    two = registry.put_rules("photos", [rule("one"), rule("two")], actor="bob")
    back = registry.rollback("photos", one.generation, actor="ann")
    assert (back.rules, back.mode, back.generation) == (one.rules, "strict", two.generation + 1)
    assert names(registry, "a") == ["one"]
    newest, *_, oldest = registry.history("photos")
    assert (newest.action, newest.actor, newest.before, newest.after) == ("roll back to 2", "ann", two, back)
    assert (oldest.generation, oldest.before) == (1, None)
    assert [change.generation for change in registry.history("photos", limit=2)] == [5, 4]
    assert registry.history("photos", limit=2)[1].before is not None
    with pytest.raises(NoSuchGeneration):
        registry.rollback("photos", 99, actor="ann")


def test_rolling_back_keeps_to_the_limits_of_today(registry: Registry, functions: dict[str, str]) -> None:
    old = registry.put_rules("photos", [rule("r", function="thumbs")], actor="ann")
    registry.put_rules("photos", [], actor="ann")
    del functions["thumbs"]
    assert refused(lambda: registry.rollback("photos", old.generation, actor="ann"))
    assert registry.bucket("photos").rules == ()


def test_a_function_has_ten_triggers_over_all_buckets(registry: Registry) -> None:
    registry.put_bucket("music", actor="ann")
    registry.put_rules("photos", [rule(f"p{i}", f"{i}/", function="thumbs") for i in range(6)], actor="ann")
    registry.put_rules("music", [rule(f"m{i}", f"{i}/", function="thumbs") for i in range(4)], actor="ann")
    triggers = registry.triggers_of("thumbs")
    assert [bucket for bucket, _ in triggers] == ["music"] * 4 + ["photos"] * 6
    (fault,) = refused(lambda: registry.put_rule("photos", rule("p6", "6/", function="thumbs"), actor="ann"))
    assert fault.limit == "triggers_per_function"
    registry.put_rule("photos", rule("p6", "6/", function="audit"), actor="ann")
    registry.put_rule("photos", rule("p0", "zero/", function="thumbs"), actor="ann")  # replaced, not one more
    registry.delete_rule("music", "m0", actor="ann")
    registry.put_rule("photos", rule("p7", "7/", function="thumbs"), actor="ann")
    assert len(registry.triggers_of("thumbs")) == 10


def test_a_bucket_has_a_hundred_rules(open_registry: Callable[..., Registry]) -> None:
    registry = open_registry()
    registry.put_bucket("photos", actor="ann")
    registry.put_rules("photos", [rule(f"r{i}", f"{i:03}/") for i in range(100)], actor="ann")
    (fault,) = refused(lambda: registry.put_rule("photos", rule("r100", "100/"), actor="ann"))
    assert (fault.limit, fault.value) == ("rules_per_bucket", "101")
    wider = open_registry(Limits(rules_per_bucket=101))
    assert len(wider.put_rule("photos", rule("r100", "100/"), actor="ann").rules) == 101


def test_dropping_the_triggers_of_a_function(registry: Registry) -> None:
    registry.put_bucket("music", actor="ann")
    registry.put_rules("photos", [rule("a", "a/", function="thumbs"), rule("b", "b/")], actor="ann")
    registry.put_rules("music", [rule("c", function="thumbs")], actor="ann")
    assert registry.drop_triggers_of("thumbs", actor="ann") == [("music", "c"), ("photos", "a")]
    assert registry.triggers_of("thumbs") == []
    assert names(registry, "b/1") == ["b"]
    assert registry.drop_triggers_of("thumbs", actor="ann") == []
