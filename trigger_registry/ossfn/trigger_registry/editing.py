"""A bucket's rules after a change was asked for: names made where they are missing, order kept. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ossfn.trigger_registry.errors import NoSuchRule, RuleExists
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Bucket, Rule
from ossfn.trigger_registry.spelling import carried_over, completed
from ossfn.trigger_registry.validation import is_valid_name


def with_names(rules: Sequence[Rule], now: Bucket, new_name: Callable[[], str], limits: Limits) -> list[Rule]:
    """Every rule with a name and an Id; one that comes with either keeps the other that it has in the bucket."""
    names = {rule.id: rule.name for rule in now.rules}
    ids = {rule.name: rule.id for rule in now.rules}
    named = [replace(rule, name=rule.name or _name_of(rule, names, limits) or new_name()) for rule in rules]
    return [replace(rule, id=rule.id or ids.get(rule.name, rule.name)) for rule in named]


def _name_of(rule: Rule, names: Mapping[str, str], limits: Limits) -> str:
    return names.get(rule.id) or (rule.id if is_valid_name(rule.id, limits) else "")


def with_the_unsaid(rules: Sequence[Rule], now: Bucket) -> list[Rule]:
    """The rules of an S3 document, each with all that no document can say from the rule that has its Id."""
    known = {old.id: old for old in now.rules}
    return [_with_the_unsaid(rule, known[rule.id]) if rule.id in known else rule for rule in rules]


def _with_the_unsaid(rule: Rule, old: Rule) -> Rule:
    is_moved = rule.as_put.target_text != old.as_put.target_text
    # That one target need not be asked lets no other one in.
    verification = rule.verification if is_moved and old.verification == "none" else old.verification
    said = replace(old, events=rule.events, keys=rule.keys, targets=rule.targets, as_put=rule.as_put)
    return replace(said, verification=verification)


def placed(rule: Rule, now: Bucket, create: bool | None) -> tuple[Rule, int]:
    """The rule, completed, and where it goes: the place of the one it replaces, else the end.

    Raises: RuleExists or NoSuchRule when `create` says that it must not, or must, be there.
    """
    at = next((i for i, old in enumerate(now.rules) if old.name == rule.name), None)
    if at is None:
        if create is False:
            raise NoSuchRule(f"Bucket {now.name} has no rule {rule.name}.")
        return completed(rule), len(now.rules)
    if create:
        raise RuleExists(f"Bucket {now.name} has a rule {rule.name} already; give another name, or replace it.")
    return completed(carried_over(rule, now.rules[at])), at


def without(names: Sequence[str], now: Bucket) -> Bucket:
    """The bucket without these rules."""
    for name in names:
        rule_of(now, name)
    return replace(now, rules=tuple(rule for rule in now.rules if rule.name not in names))


def rule_of(bucket: Bucket, name: str) -> Rule:
    """The rule of that name. Raises: NoSuchRule."""
    for rule in bucket.rules:
        if rule.name == name:
            return rule
    raise NoSuchRule(f"Bucket {bucket.name} has no rule {name}.")
