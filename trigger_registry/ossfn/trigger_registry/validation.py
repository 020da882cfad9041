"""Everything that can be wrong with rules, each as a Fault that says where, what and what to do instead. Pure.

The order is the one in which Amazon S3 looks: the form of every rule, then the targets, then overlap.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlsplit

from ossfn.trigger_registry import overlap
from ossfn.trigger_registry.errors import Fault
from ossfn.trigger_registry.event_names import is_known, known_patterns
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Bucket, Element, FunctionRef, NamedCallback, Rule
from ossfn.trigger_registry.targets import Resolved, TargetText

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 200
"""Characters of a wrong value that a fault repeats."""

TARGET_FORMS = (
    "Give a function's name, 'NS:' and 1 to 5 callback URLs with commas between them, "
    "or an ARN such as arn:ossfn:lambda:cn-north-1:NAME:function or arn:ossfn:sqs:cn-north-1:NAME:callback."
)
_MISSING: dict[Element, str] = {
    "Queue": "The destination queue does not exist",
    "Topic": "The destination topic does not exist",
    "CloudFunction": "Not authorized to invoke function [{}]",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule on its way in, with what its target text says (None: nothing that can be read) and what that stands for.

    `at` is where it stands, in front of a field's name: `rules[2].`, or nothing when it came alone.
    """

    rule: Rule
    at: str
    text: TargetText | None
    found: Resolved | None

    @property
    def is_missing(self) -> bool:
        """Whether it names a target that does not exist; a bare name that does not is no name of a target at all."""
        return bool(self.text and self.text.kind != "bare" and self.found and not self.found.exists)

    @property
    def is_function(self) -> bool:
        """Whether the target is a function, existing or meant to be one."""
        if not self.text or not self.found or (self.is_missing and self.text.kind != "function"):
            return False
        return isinstance(self.found.targets[0], FunctionRef)

    def fault(
        self, limit: str, field: str, value: str, message: str, advice: str, *arguments: tuple[str, str]
    ) -> Fault:
        """A fault of this rule, with S3's code for almost everything."""
        shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        return Fault("InvalidArgument", message, limit, self.rule.name, self.at + field, shown, advice, arguments)


def size(text: str) -> int:
    """Bytes of UTF-8, also of text that is no valid Unicode."""
    return len(text.encode("utf-8", "surrogatepass"))


def bucket_name_faults(name: str) -> Iterator[Fault]:
    """S3's oldest and widest rule for bucket names, so that every store's buckets can be registered."""
    if not _BUCKET_NAME.fullmatch(name):
        advice = "Use 2 to 255 letters, digits, '.', '_' and '-', beginning with a letter or digit."
        message = "The specified bucket is not valid."
        yield Fault("InvalidBucketName", message, "bucket_name", field="bucket", value=name[:_SHOWN], advice=advice)


def named_callback_faults(callback: NamedCallback, limits: Limits) -> Iterator[Fault]:
    """What is wrong with a named callback."""
    if not _NAME.fullmatch(callback.name) or len(callback.name) > limits.rule_name_bytes:
        message = f"A callback's name has 1 to {limits.rule_name_bytes} letters, digits, underscores and hyphens."
        yield Fault("InvalidArgument", message, "callback_name", field="name", value=callback.name[:_SHOWN])
    yield from callback_faults(
        callback.urls,
        limits,
        lambda limit, value, message, advice: Fault(
            "InvalidArgument", message, limit, field="urls", value=value[:_SHOWN], advice=advice
        ),
    )


def form_faults(draft: Draft, limits: Limits) -> Iterator[Fault]:
    """What is wrong with one rule by itself."""
    yield from _name_faults(draft, limits)
    yield from _event_faults(draft)
    yield from _filter_faults(draft, limits)
    if draft.text is None or (draft.text.kind == "bare" and draft.found and not draft.found.exists):
        yield _unreadable_target(draft)
    elif draft.text.kind == "urls":
        field = "target" if draft.rule.as_put.target_text else "target.callbacks"
        yield from callback_faults(draft.text.urls, limits, lambda *fault: draft.fault(fault[0], field, *fault[1:]))


def _name_faults(draft: Draft, limits: Limits) -> Iterator[Fault]:
    name, most = draft.rule.name, limits.rule_name_bytes
    if not _NAME.fullmatch(name) or len(name) > most:
        message = f"A rule's name has 1 to {most} bytes of letters, digits, underscores and hyphens."
        yield draft.fault("rule_name_bytes", "name", name, message, "Leave the name out and one is made.")
    if not _is_text(draft.rule.id):
        yield draft.fault("rule_id", "id", ascii(draft.rule.id), "An Id must be valid Unicode.", "Send it as UTF-8.")


def is_valid_name(name: str, limits: Limits) -> bool:
    """Whether a rule may be called this."""
    return bool(_NAME.fullmatch(name)) and len(name) <= limits.rule_name_bytes


def _event_faults(draft: Draft) -> Iterator[Fault]:
    if not draft.rule.events:
        advice = "Name one or more, for example s3:ObjectCreated:*."
        yield draft.fault("events", "events", "", "A rule needs at least one event.", advice)
    for i, event in enumerate(draft.rule.events):
        if not is_known(event):
            near = get_close_matches(event, known_patterns(), n=3, cutoff=0.4) or ["s3:ObjectCreated:*"]
            yield draft.fault(
                "event_name",
                f"events[{i}]",
                event,
                "The event is not supported for notifications",
                f"Did you mean {' or '.join(near)}?",
                ("ArgumentName", "Event"),
                ("ArgumentValue", event),
            )


def _filter_faults(draft: Draft, limits: Limits) -> Iterator[Fault]:
    keys = draft.rule.keys
    for field, value, most in (
        ("prefix", keys.prefix, limits.prefix_bytes),
        ("suffix", keys.suffix, limits.suffix_bytes),
    ):
        if size(value) > most:
            message = f"Size of filter rule value cannot exceed {most} bytes in UTF-8 representation"
            advice = f"Shorten the {field}: it has {size(value)} bytes."
            where = (("ArgumentName", f"FilterRule.{field}"), ("ArgumentValue", value))
            yield draft.fault(f"{field}_bytes", field, value, message, advice, *where)
        elif not _is_text(value):
            yield draft.fault("unicode", field, ascii(value), "A filter must be valid Unicode.", "Send it as UTF-8.")


def _unreadable_target(draft: Draft) -> Fault:
    value = draft.rule.as_put.target_text
    where = (("ArgumentName", draft.rule.as_put.element), ("ArgumentValue", value))
    if value:
        message = "The ARN could not be parsed"
        bare = f"There is no function {value!r}. " if draft.text else ""
        return draft.fault("target", "target", value, message, bare + TARGET_FORMS, *where)
    message = "A rule needs one kind of target: 1 to 5 callbacks, or one function."
    return draft.fault("target", "target", "", message, "Give either callbacks or a function.", *where)


def callback_faults(
    urls: Sequence[str], limits: Limits, fault: Callable[[str, str, str, str], Fault]
) -> Iterator[Fault]:
    """What is wrong with callback addresses; `fault` is called with limit, value, message and advice."""
    most = limits.callbacks_per_rule
    if not 1 <= len(urls) <= most:
        message = f"A rule has 1 to {most} callback addresses, not {len(urls)}."
        yield fault(
            "callbacks_per_rule", str(len(urls)), message, "Divide them over rules that differ in events or keys."
        )
    for url in urls:
        if wrong := _wrong_with(url, limits):
            advice = "Give the complete URL, for example https://example.com/hook; escape a comma in it as %2C."
            yield fault("callback_url", url, f"Not a callback address: {wrong}.", advice)
    for url, count in Counter(urls).items():
        if count > 1:
            yield fault("callback_url", url, "A callback address stands twice in the rule.", "Give it once.")


def _wrong_with(url: str, limits: Limits) -> str:
    if size(url) > limits.url_bytes:
        return f"longer than {limits.url_bytes} bytes"
    if "," in url or not url.isprintable() or " " in url:
        return "it holds a comma, a space or a control character"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https") or not host:
        return "not a complete http:// or https:// URL"
    return "it holds a user name or password" if "@" in parts.netloc else ""


def document_faults(rules: Sequence[Rule], limits: Limits) -> Iterator[Fault]:
    """What is wrong with a bucket's rules taken together, overlap apart."""
    if len(rules) > limits.rules_per_bucket:
        message = f"A bucket has at most {limits.rules_per_bucket} rules, not {len(rules)}."
        advice = "Join rules that share a target, or use several buckets."
        value = str(len(rules))
        yield Fault("InvalidArgument", message, "rules_per_bucket", field="rules", value=value, advice=advice)
    for field in ("name", "id"):
        seen: set[str] = set()
        for i, rule in enumerate(rules):
            value = getattr(rule, field)
            if value in seen:
                message = f"Two rules of the bucket have the same {field}: {value[:_SHOWN]}"
                advice = f"Give each rule {field} once, or leave it out and one is made."
                where = f"rules[{i}].{field}"
                yield Fault("InvalidArgument", message, f"rule_{field}", rule.name, where, value[:_SHOWN], advice)
            seen.add(value)


def target_faults(
    drafts: Sequence[Draft], region: str, limits: Limits, *, skip_destination_validation: bool
) -> Iterator[Fault]:
    """Targets in the wrong region, each by itself; then those that do not exist, in one fault as Amazon S3 has it."""
    wrong = [_region_fault(draft, region, limits) for draft in drafts]
    yield from (fault for fault in wrong if fault)
    missing = [draft for draft, fault in zip(drafts, wrong, strict=True) if draft.is_missing and not fault]
    if missing and not skip_destination_validation:
        yield _missing_targets(missing)


def _region_fault(draft: Draft, region: str, limits: Limits) -> Fault | None:
    if draft.text is None or draft.found is None:
        return None
    other = next((r for r in (draft.text.region, draft.found.region) if r and r != region), "")
    if other:
        limit, advice = "target_region", f"The bucket is in {region}, the target in {other}: use a target in {region}."
    elif draft.is_function and limits.function_regions and region not in limits.function_regions:
        allowed = ", ".join(limits.function_regions)
        limit, advice = "function_regions", f"Only buckets in {allowed} can have functions as targets. Use a callback."
    else:
        return None
    value = draft.rule.as_put.target_text or draft.text.name
    where = (("ArgumentName", draft.rule.as_put.element), ("ArgumentValue", value))
    message = "The notification destination service region is not valid for the bucket location constraint"
    return draft.fault(limit, "target", value, message, advice, *where)


def _missing_targets(missing: Sequence[Draft]) -> Fault:
    arguments: list[tuple[str, str]] = []
    for n, draft in enumerate(missing, 1):
        element, text = (
            draft.rule.as_put.element,
            draft.rule.as_put.target_text or (draft.text.name if draft.text else ""),
        )
        arguments += [
            (f"ArgumentName{n}", f"{text}, null" if element == "CloudFunction" else text),
            (f"ArgumentValue{n}", _MISSING[element].format(text)),
        ]
    names = ", ".join(sorted({draft.text.name for draft in missing if draft.text}))
    return missing[0].fault(
        "target_exists",
        "target",
        names,
        "Unable to validate the following destination configurations",
        f"Deploy or register {names} first, or skip the validation of targets.",
        *arguments,
    )


def trigger_faults(after: Bucket, before: Bucket, elsewhere: Mapping[str, int], limits: Limits) -> Iterator[Fault]:
    """Functions that would have too many triggers and more than they have now; `elsewhere` counts those of other buckets."""
    had = Counter(rule.function for rule in before.rules)
    has = Counter(rule.function for rule in after.rules)
    for function, here in has.items():
        count = here + elsewhere.get(function or "", 0)
        if function and here > had[function] and count > limits.triggers_per_function:
            most = limits.triggers_per_function
            message = (
                f"Function {function} would have {count} triggers; at most {most} can be created to a single function."
            )
            advice = "Delete triggers of the function, join rules, or deploy it under a second name."
            first = next(rule.name for rule in after.rules if rule.function == function)
            yield Fault("InvalidArgument", message, "triggers_per_function", first, "target", function, advice)


def overlap_faults(bucket: Bucket, limits: Limits) -> Iterator[Fault]:
    """Every pair of rules that want one event, in a bucket that allows no such pair."""
    if bucket.mode != "strict" or len(bucket.rules) > limits.rules_per_bucket:
        return
    for i, j, key in overlap.clashes(bucket.rules, limits.key_bytes):
        first, second = bucket.rules[i], bucket.rules[j]
        events = overlap.shared_events(first, second) or ("", "")
        yield Fault(
            "InvalidArgument",
            overlap.S3_TEXT,
            "overlap",
            second.name,
            f"rules[{j}]",
            f"{second.keys.prefix}*{second.keys.suffix}",
            f"Rules {first.name} and {second.name} would both take the key {key!r}. Give them prefixes or suffixes that "
            "exclude each other, or different events, or set the bucket's mode to first-match or fan-out.",
            (("ArgumentName", "Event"), ("ArgumentValue", ", ".join(events))),
            other_rule=first.name,
            witness=key,
        )


def _is_text(value: str) -> bool:
    return not _SURROGATE.search(value)
