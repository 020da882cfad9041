"""Rules on their way into a bucket: what their targets are, what is wrong with them, how they will stand. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from ossfn.trigger_registry import target_checks, validation
from ossfn.trigger_registry.drafts import Draft
from ossfn.trigger_registry.errors import RuleRefused
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.proofs import Answers, ProofNeeded, proof_faults, questions_of
from ossfn.trigger_registry.rules import Bucket, NamedCallback, Rule
from ossfn.trigger_registry.spelling import addressed
from ossfn.trigger_registry.targets import resolve, text_of, users_key

MOST_FAULTS = 100
"""Faults in the form of a document that are looked for; a megabyte of nonsense could have tens of thousands."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules are checked against, as ways to look it up."""

    limits: Limits
    region_of: Callable[[str], str | None]
    """Where a function is; None when there is no such function."""
    callback: Callable[[str], NamedCallback | None]
    users: Callable[[Collection[str]], Sequence[tuple[str, str, str]]]
    """(what, bucket, rule) for every rule anywhere that uses one of these `users_key`s."""
    skip_destination_validation: bool = False
    """Whether rules may name targets that do not exist."""
    answers: Answers = field(default_factory=dict)
    """What callbacks said that were asked whether they want events."""
    store_unverified: bool = False
    """Whether rules may have callbacks that did not agree."""

    def draft(self, rule: Rule, at: str) -> Draft:
        """The rule with what its target text says and stands for."""
        text = text_of(rule)
        return Draft(rule, at, text, resolve(text, self.callback, self.region_of) if text else None)

    def triggers_elsewhere(self, bucket: Bucket) -> Mapping[str, int]:
        """How many rules of other buckets each function of this one has."""
        functions = {users_key("function", rule.function): rule.function for rule in bucket.rules if rule.function}
        users = self.users(functions) if functions else ()
        return Counter(functions[used] for used, other, _ in users if other != bucket.name)


def all_of(rules: Sequence[Rule]) -> Mapping[int, str]:
    """Every rule of a document, with the path that faults give in front of their field."""
    return {i: f"rules[{i}]." for i in range(len(rules))}


def accepted(now: Bucket, rules: Sequence[Rule], fresh: Mapping[int, str], around: Surroundings) -> Bucket:
    """The bucket with these rules, of which those at the places in `fresh` are new.

    Raises: RuleRefused with all faults, ProofNeeded when only callbacks' consent is missing.
    """
    drafts = {i: around.draft(rules[i], at) for i, at in fresh.items()}
    after = replace(now, rules=tuple(_settled(rule, drafts.get(i), now) for i, rule in enumerate(rules)))
    limits, new = around.limits, list(drafts.values())
    form = (fault for draft in new for fault in validation.form_faults(draft, limits))
    faults = list(islice(form, MOST_FAULTS))
    faults += validation.document_faults(after.rules, limits)
    faults += target_checks.target_faults(new, now.region, limits, may_be_missing=around.skip_destination_validation)
    faults += validation.trigger_faults(now, after, around.triggers_elsewhere(after), limits)
    faults += validation.overlap_faults(after, limits)
    if faults:
        raise RuleRefused(faults)
    return _agreed(now, after, fresh, around)


def moved(now: Bucket, after: Bucket, around: Surroundings) -> Bucket:
    """The bucket after its region or mode was changed, if its rules can stand so. Raises: RuleRefused."""
    paths = all_of(after.rules) if after.region != now.region else {}
    drafts = [around.draft(after.rules[i], at) for i, at in paths.items()]
    faults = list(target_checks.target_faults(drafts, after.region, around.limits, may_be_missing=True))
    faults += validation.overlap_faults(after, around.limits)
    if faults:
        raise RuleRefused(faults)
    return after


def following(now: Bucket, names: Collection[str], around: Surroundings) -> Bucket:
    """The bucket with these rules' targets looked up anew, a named callback having changed. Raises as `accepted`."""
    paths = all_of(now.rules)
    drafts = {i: around.draft(rule, paths[i]) for i, rule in enumerate(now.rules) if rule.name in names}
    faults = target_checks.target_faults(list(drafts.values()), now.region, around.limits, may_be_missing=True)
    if refused := list(faults):
        raise RuleRefused(refused)
    after = replace(now, rules=tuple(_settled(rule, drafts.get(i), now) for i, rule in enumerate(now.rules)))
    return _agreed(now, after, paths, around)


def _agreed(now: Bucket, after: Bucket, paths: Mapping[int, str], around: Surroundings) -> Bucket:
    """`after`, when every callback that was not asked for `now` agrees, or need not. Raises as `accepted`."""
    new = questions_of(after) - questions_of(now)
    if unasked := new - around.answers.keys():
        raise ProofNeeded(unasked)
    if not around.store_unverified and (faults := list(proof_faults(after, new, around.answers, paths))):
        raise RuleRefused(faults)
    return after


def _settled(rule: Rule, draft: Draft | None, bucket: Bucket) -> Rule:
    return addressed(rule, draft.found, bucket.region) if draft and draft.found else rule
