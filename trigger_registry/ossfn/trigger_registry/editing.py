"""A bucket's rules after a change was asked for: names made where they are missing, order kept. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ossfn.trigger_registry.errors import NoSuchRule, RuleExists
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Bucket, Rule
from ossfn.trigger_registry.spelling import carried_over, completed
from ossfn.trigger_registry.validation import is_valid_name


def with_names(rules: Sequence[Rule], now: Bucket, new_name: Callable[[], str], limits: Limits) -> list[Rule]:
    """Every rule with a name and an Id, as JD Cloud has it; a rule that keeps its Id keeps its name."""
    known = {rule.id: rule.name for rule in now.rules}
    return [_named(rule, known, new_name, limits) for rule in rules]


def _named(rule: Rule, known: dict[str, str], new_name: Callable[[], str], limits: Limits) -> Rule:
    name = rule.name or (rule.id if is_valid_name(rule.id, limits) else known.get(rule.id)) or new_name()
    return replace(rule, name=name, id=rule.id or name)


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
