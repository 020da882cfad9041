"""What can be wrong with a rule's target: unreadable, not a callback address, in another region, not there. Pure."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

import idna

from ossfn.trigger_registry.drafts import Draft, invalid
from ossfn.trigger_registry.errors import Fault
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Element

_FORMS = (
    "Give a function's name, 'NS:' and callback URLs with commas between them, or an ARN such as "
    "arn:ossfn:lambda:cn-north-1:NAME:function or arn:ossfn:sqs:cn-north-1:NAME:callback."
)
_MISSING: dict[Element, str] = {
    "Queue": "The destination queue does not exist",
    "Topic": "The destination topic does not exist",
    "CloudFunction": "Not authorized to invoke function [{}]",
}
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NAME_BYTES = 253
"""RFC 1035: 255 bytes with the lengths of its labels."""
_WRONG_REGION = "The notification destination service region is not valid for the bucket location constraint"


def target_form_faults(draft: Draft, limits: Limits) -> Iterator[Fault]:
    """What is wrong with the target by itself; a bare name that is no function's is unreadable, as on Amazon S3."""
    text, element = draft.text, draft.rule.as_put.element
    arguments = (("ArgumentName", element), ("ArgumentValue", draft.target))
    if text is not None and text.kind == "urls":
        yield from callback_faults(text.urls, limits, "target.callbacks")
    elif text is not None and text.kind == "bare" and draft.is_missing:
        advice = f"There is no function {text.name}. {_FORMS}"
        yield invalid("target", "target", draft.target, "The ARN could not be parsed", advice, arguments)
    elif text is None and draft.target:
        yield invalid("target", "target", draft.target, "The ARN could not be parsed", _FORMS, arguments)
    elif text is None:
        message = f"A rule has 1 to {limits.callbacks_per_rule} callbacks or one function as its target."
        yield invalid("target", "target", "", message, "Give either callbacks or a function.", arguments)


def callback_faults(urls: Sequence[str], limits: Limits, field: str) -> Iterator[Fault]:
    """What is wrong with callback addresses."""
    most = limits.callbacks_per_rule
    if not 1 <= len(urls) <= most:
        message = f"There can be 1 to {most} callback addresses, not {len(urls)}."
        advice = "Divide them over rules that differ in events or keys."
        yield invalid("callbacks_per_rule", field, str(len(urls)), message, advice)
    for i, url in enumerate(urls):
        wrong = "it stands there twice" if url in urls[:i] else _wrong_with(url, limits)
        if wrong:
            message = f"Not a valid callback address: {wrong}."
            advice = "Give each complete URL once, like https://example.com/hook; write , in it as %2C and # as %23."
            yield invalid("callback_url", f"{field}[{i}]", url, message, advice)


def _wrong_with(url: str, limits: Limits) -> str:
    if len(url.encode("utf-8", "surrogatepass")) > limits.url_bytes:
        return f"it is longer than {limits.url_bytes} bytes"
    if not url.isprintable() or " " in url or "," in url:
        return "it holds a comma, a space or a control character"
    if "#" in url:
        return "it holds a #, behind which nothing is ever sent"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme not in ("http", "https") or not host:
            return "it is no complete http:// or https:// URL"
        _check_host(host, is_address="[" in parts.netloc or bool(_IPV4.fullmatch(host)))
    except ValueError as error:
        return str(error)
    if port == 0:
        return "nothing listens on port 0"
    return "it holds a user name or password" if "@" in parts.netloc else ""


def _check_host(host: str, *, is_address: bool) -> None:
    """Raises ValueError for a host that no resolver can be asked for; UnicodeError is one, and IDNA's own error."""
    if is_address:
        ip_address(host)
        return
    name = (host if host.isascii() else idna.encode(host).decode("ascii")).removesuffix(".")
    labels = name.split(".")
    if len(name) > _NAME_BYTES or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(
            f"{host} is no host name: 1 to 63 letters, digits, - or _ between two dots, at most {_NAME_BYTES} in all"
        )
    for label in labels:
        if label.startswith("xn--"):
            idna.decode(label)


def target_faults(drafts: Sequence[Draft], region: str, limits: Limits, *, may_be_missing: bool) -> Iterator[Fault]:
    """Targets in a wrong region, each by itself; then those that do not exist, in one fault as Amazon S3 has it."""
    elsewhere = [list(_region_faults(draft, region, limits)) for draft in drafts]
    for faults in elsewhere:
        yield from faults
    # A bare name that is missing was refused for its form already.
    missing = [
        draft
        for draft, faults in zip(drafts, elsewhere, strict=True)
        if draft.is_missing and not faults and draft.text and draft.text.kind != "bare"
    ]
    if missing and not may_be_missing:
        yield _missing(missing)


def _region_faults(draft: Draft, region: str, limits: Limits) -> Iterator[Fault]:
    claimed = (draft.text.region if draft.text else "", draft.found.region if draft.found else "")
    other = next((there for there in claimed if there and there != region), "")
    arguments = (("ArgumentName", draft.rule.as_put.element), ("ArgumentValue", draft.target))
    nowhere_here = draft.is_function and limits.function_regions and region not in limits.function_regions
    if not other and not nowhere_here:
        return iter(())
    if nowhere_here:
        regions = " or ".join(limits.function_regions)
        advice = (
            f"Functions are in {regions} only, the bucket is in {region}: use a callback, or a bucket in {regions}."
        )
    else:
        advice = f"The bucket is in {region}, the target in {other}: use a target in {region}."
    limit = "target_region" if other else "function_regions"
    return draft.located([invalid(limit, "target", draft.target, _WRONG_REGION, advice, arguments)])


def _missing(drafts: Sequence[Draft]) -> Fault:
    arguments: list[tuple[str, str]] = []
    for n, draft in enumerate(drafts, 1):
        element, target = draft.rule.as_put.element, draft.target
        name = f"{target}, null" if element == "CloudFunction" else target
        arguments += [(f"ArgumentName{n}", name), (f"ArgumentValue{n}", _MISSING[element].format(target))]
    names = ", ".join(sorted({draft.text.name for draft in drafts if draft.text}))
    message = "Unable to validate the following destination configurations"
    advice = f"Deploy or register {names} first. S3 clients can send x-amz-skip-destination-validation: true."
    return next(drafts[0].located([invalid("target_exists", "target", names, message, advice, tuple(arguments))]))
