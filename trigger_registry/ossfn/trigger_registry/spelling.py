"""How a rule's plain values and its spelling in an S3 document follow from each other. Pure.

A document's filter values may be URL-encoded, as Amazon S3 asks ("photos%3D2026/"); most people's are not. A value
counts as encoded when it holds a valid `%XX` escape and decodes to UTF-8. A `+` always stands for itself.
"""

import re
from dataclasses import replace
from urllib.parse import unquote

from ossfn.trigger_registry.rules import AsPut, Callback, FunctionRef, KeyFilter, Rule
from ossfn.trigger_registry.targets import Resolved

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def plain(value: str) -> str:
    """A filter value of a document in plain characters."""
    if not _ESCAPE.search(value):
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def spelled(value: str) -> str:
    """A plain value for a document, such that `plain(spelled(value)) == value`."""
    return value if plain(value) == value else value.replace("%", "%25")


def completed(rule: Rule) -> Rule:
    """The rule with both halves of its filter: a document's spelling decides the plain one, else the reverse."""
    if rule.as_put.target_text:
        given = dict(rule.as_put.filter_rules)
        return replace(rule, keys=KeyFilter(plain(given.get("Prefix", "")), plain(given.get("Suffix", ""))))
    pairs = (("Prefix", rule.keys.prefix), ("Suffix", rule.keys.suffix))
    filter_rules = tuple((name, spelled(value)) for name, value in pairs if value)
    return replace(rule, as_put=AsPut("CloudFunction" if rule.function else "Topic", "", filter_rules))


def addressed(rule: Rule, found: Resolved, region: str) -> Rule:
    """The rule with the targets that were found for it, and a target text where no document gave one.

    Functions are not asked whether they want events; what does not exist yet may turn out to be a callback.
    """
    text = rule.as_put.target_text or _target_text(found, region)
    is_function = found.exists and isinstance(found.targets[0], FunctionRef)
    verification = "none" if is_function else rule.verification
    return replace(
        rule, targets=found.targets, verification=verification, as_put=replace(rule.as_put, target_text=text)
    )


def carried_over(rule: Rule, old: Rule) -> Rule:
    """A rule that came without a spelling takes the old one's, as far as both say the same."""
    if rule.as_put.target_text or rule.targets != old.targets:
        return rule
    own = completed(rule)
    filter_rules = old.as_put.filter_rules if rule.keys == old.keys else own.as_put.filter_rules
    return replace(own, as_put=replace(old.as_put, filter_rules=filter_rules))


def _target_text(found: Resolved, region: str) -> str:
    names = [target.name for target in found.targets if isinstance(target, FunctionRef)]
    if not names:
        return "NS:" + ",".join(target.url for target in found.targets if isinstance(target, Callback))
    return names[0] if found.exists else f"arn:ossfn:lambda:{region}:{names[0]}:function"
