"""Everything that can be wrong with rules, each as a Fault that says where, what and what to do instead. Pure.

The order is the one in which Amazon S3 looks: the form of every rule, then the targets, then overlap.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from ossfn.trigger_registry import overlap
from ossfn.trigger_registry.drafts import Draft, invalid, shown
from ossfn.trigger_registry.errors import Fault
from ossfn.trigger_registry.event_names import is_known, known_patterns
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Bucket, NamedCallback, Rule
from ossfn.trigger_registry.target_checks import callback_faults, target_form_faults

_NAME = re.compile(r"[A-Za-z0-9_-]+")
# S3's oldest and widest rule for bucket names, so that the buckets of every store can be registered.
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def bucket_faults(name: str, region: str) -> Iterator[Fault]:
    """What is wrong with a bucket's own fields."""
    if not _BUCKET_NAME.fullmatch(name):
        advice = "Use 2 to 255 letters, digits, '.', '_' and '-', beginning with a letter or digit."
        message = "The specified bucket is not valid."
        yield Fault("InvalidBucketName", message, "bucket_name", field="bucket", value=shown(name), advice=advice)
    if not _REGION.fullmatch(region):
        message = "The specified location-constraint is not valid"
        advice = "Use letters, digits and '-', for example cn-north-1."
        yield Fault("InvalidLocationConstraint", message, "region", field="region", value=shown(region), advice=advice)


def named_callback_faults(callback: NamedCallback, limits: Limits) -> Iterator[Fault]:
    """What is wrong with a named callback."""
    if not is_valid_name(callback.name, limits):
        message = f"A callback's name has 1 to {limits.rule_name_bytes} letters, digits, underscores and hyphens."
        yield invalid("callback_name", "name", callback.name, message, "Give it such a name.")
    if callback.region:
        yield from bucket_faults("any", callback.region)
    yield from callback_faults(callback.urls, limits, "urls")


def is_valid_name(name: str, limits: Limits) -> bool:
    """Whether a rule may be called this."""
    return len(name) <= limits.rule_name_bytes and bool(_NAME.fullmatch(name))


def form_faults(draft: Draft, limits: Limits) -> Iterator[Fault]:
    """What is wrong with one rule by itself."""
    yield from draft.located(_name_faults(draft.rule, limits))
    yield from draft.located(_event_faults(draft.rule))
    yield from draft.located(_filter_faults("prefix", draft.rule.keys.prefix, limits.prefix_bytes))
    yield from draft.located(_filter_faults("suffix", draft.rule.keys.suffix, limits.suffix_bytes))
    yield from draft.located(target_form_faults(draft, limits))


def _name_faults(rule: Rule, limits: Limits) -> Iterator[Fault]:
    if not is_valid_name(rule.name, limits):
        message = f"A rule's name has 1 to {limits.rule_name_bytes} bytes of letters, digits, underscores and hyphens."
        yield invalid("rule_name_bytes", "name", rule.name, message, "Leave the name out and one is made.")
    if _SURROGATE.search(rule.id):
        yield invalid("unicode", "id", rule.id, "An Id must be valid Unicode.", "Send it as UTF-8.")


def _event_faults(rule: Rule) -> Iterator[Fault]:
    if not rule.events:
        advice = "Name one or more, for example s3:ObjectCreated:*."
        yield invalid("events", "events", "", "A rule needs at least one event.", advice)
    for i, event in enumerate(rule.events):
        if not is_known(event):
            near = get_close_matches(event[:100], known_patterns(), n=3, cutoff=0.4) or ["s3:ObjectCreated:*"]
            message = "The event is not supported for notifications"
            arguments = (("ArgumentName", "Event"), ("ArgumentValue", shown(event)))
            advice = f"Did you mean {' or '.join(near)}?"
            yield invalid("event_name", f"events[{i}]", event, message, advice, arguments)


def _filter_faults(field: str, value: str, most: int) -> Iterator[Fault]:
    if _SURROGATE.search(value):
        yield invalid("unicode", field, value, "A filter must be valid Unicode.", "Send it as UTF-8.")
    elif (size := len(value.encode())) > most:
        message = f"Size of filter rule value cannot exceed {most} bytes in UTF-8 representation"
        arguments = (("ArgumentName", "FilterRule.Value"), ("ArgumentValue", shown(value)))
        yield invalid(f"{field}_bytes", field, value, message, f"Shorten it: it has {size} bytes.", arguments)


def document_faults(rules: Sequence[Rule], limits: Limits) -> Iterator[Fault]:
    """What is wrong with a bucket's rules taken together, overlap apart."""
    if len(rules) > limits.rules_per_bucket:
        message = f"A bucket has at most {limits.rules_per_bucket} rules, not {len(rules)}."
        advice = "Join rules that share a target, or use several buckets."
        yield invalid("rules_per_bucket", "rules", str(len(rules)), message, advice)
    yield from _repeated("name", [rule.name for rule in rules])
    yield from _repeated("id", [rule.id for rule in rules])


def _repeated(field: str, values: Sequence[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for i, value in enumerate(values):
        if value in seen:
            message = f"Two rules of the bucket have the same {field}."
            advice = f"Give each {field} once, or leave it out and one is made."
            yield invalid(f"unique_{field}", f"rules[{i}].{field}", value, message, advice)
        seen.add(value)


def trigger_faults(now: Bucket, after: Bucket, elsewhere: Mapping[str, int], limits: Limits) -> Iterator[Fault]:
    """Functions with too many triggers and more than before; `elsewhere` counts those in other buckets."""
    had = Counter(rule.function for rule in now.rules)
    has = Counter(rule.function for rule in after.rules if rule.function)
    most = limits.triggers_per_function
    for function, here in has.items():
        count = here + elsewhere.get(function, 0)
        if here > had[function] and count > most:
            message = f"At most {most} triggers can be created to a single function; {function} would have {count}."
            advice = "Delete triggers of the function, join rules, or deploy it under a second name."
            yield invalid("triggers_per_function", "target", function, message, advice)


def overlap_faults(bucket: Bucket, limits: Limits) -> Iterator[Fault]:
    """Every pair of rules that want one event, in a bucket that allows no such pair."""
    if bucket.mode != "strict" or len(bucket.rules) > limits.rules_per_bucket:
        return  # too many rules are refused anyway, and would have too many pairs
    for i, j, key in overlap.clashes(bucket.rules, limits.key_bytes):
        first, second = bucket.rules[i], bucket.rules[j]
        events = overlap.shared_events(first, second) or ()
        value = f"{second.keys.prefix}*{second.keys.suffix}"
        advice = (
            f"Rules {first.name} and {second.name} would both take the key {shown(key)!r}. Give them prefixes or "
            "suffixes that exclude each other or different events, or set the bucket's mode to first-match or fan-out."
        )
        arguments = (("ArgumentName", "Event"), ("ArgumentValue", ", ".join(events)))
        fault = invalid("overlap", f"rules[{j}]", value, overlap.S3_TEXT, advice, arguments)
        yield replace(fault, rule=second.name, other_rule=first.name, witness=key)
