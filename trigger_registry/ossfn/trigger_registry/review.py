"""Rules on their way into a bucket: what their target texts stand for, whether anything is wrong, how they will stand. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ossfn.trigger_registry import validation
from ossfn.trigger_registry.errors import RuleRefused
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Bucket, NamedCallback, Rule
from ossfn.trigger_registry.spelling import addressed
from ossfn.trigger_registry.targets import resolve, text_of, users_key
from ossfn.trigger_registry.validation import Draft


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules are checked against, as ways to look it up."""

    limits: Limits
    region_of: Callable[[str], str | None]
    """Where a function is; None when there is no such function."""
    callback: Callable[[str], NamedCallback | None]
    users: Callable[[Collection[str]], Sequence[tuple[str, str, str]]]
    """(what, bucket, rule) for every rule anywhere that uses one of these `users_key`s."""

    def draft(self, rule: Rule, at: str = "") -> Draft:
        """The rule with what its target text says and stands for."""
        text = text_of(rule)
        return Draft(rule, at, text, resolve(text, self.callback, self.region_of) if text else None)

    def triggers_elsewhere(self, bucket: Bucket) -> Mapping[str, int]:
        """How many rules of other buckets each function of this one has."""
        functions = {users_key("function", rule.function): rule.function for rule in bucket.rules if rule.function}
        users = self.users(functions) if functions else ()
        return Counter(functions[used] for used, other, _ in users if other != bucket.name)


def accepted(
    now: Bucket,
    rules: Sequence[Rule],
    fresh: Sequence[int],
    around: Surroundings,
    *,
    skip_destination_validation: bool = False,
) -> Bucket:
    """The bucket with these rules, of which those at `fresh` are new. Raises: RuleRefused with all that is wrong."""
    drafts = {i: around.draft(rules[i], f"rules[{i}]." if len(fresh) == len(rules) else "") for i in fresh}
    after = replace(now, rules=tuple(_settled(rule, drafts.get(i), now) for i, rule in enumerate(rules)))
    faults = [fault for draft in drafts.values() for fault in validation.form_faults(draft, around.limits)]
    faults += validation.document_faults(after.rules, around.limits)
    faults += validation.target_faults(
        list(drafts.values()), now.region, around.limits, skip_destination_validation=skip_destination_validation
    )
    faults += validation.trigger_faults(after, now, around.triggers_elsewhere(after), around.limits)
    faults += validation.overlap_faults(after, around.limits)
    if faults:
        raise RuleRefused(faults)
    return after


def moved(after: Bucket, around: Surroundings) -> Bucket:
    """A bucket whose region or mode was changed, if its rules can stand so. Raises: RuleRefused."""
    drafts = [around.draft(rule, f"rules[{i}].") for i, rule in enumerate(after.rules)]
    faults = list(validation.target_faults(drafts, after.region, around.limits, skip_destination_validation=True))
    faults += validation.overlap_faults(after, around.limits)
    if faults:
        raise RuleRefused(faults)
    return after


def following(bucket: Bucket, names: Collection[str], around: Surroundings) -> Bucket:
    """The bucket after these rules' targets were looked up anew, because a named callback has changed."""
    drafts = (around.draft(rule) if rule.name in names else None for rule in bucket.rules)
    rules = (_settled(rule, draft, bucket) for rule, draft in zip(bucket.rules, drafts, strict=True))
    return replace(bucket, rules=tuple(rules))


def _settled(rule: Rule, draft: Draft | None, bucket: Bucket) -> Rule:
    return addressed(rule, draft.found, bucket.region) if draft and draft.found else rule
