"""The XML of the S3 bucket API: what clients put becomes rules, and rules are written as clients read them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from ossfn.trigger_registry.errors import Fault, RuleRefused
from ossfn.trigger_registry.rules import AsPut, Bucket, Element, KeyFilter, Rule

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element as Node

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"

_TARGET_ELEMENTS: dict[str, Element] = {
    "TopicConfiguration": "Topic",
    "QueueConfiguration": "Queue",
    "CloudFunctionConfiguration": "CloudFunction",
}
_FILTER_NAMES = {"prefix": "Prefix", "suffix": "Suffix"}
_DECLARED_ENCODING = re.compile(r"""<\?xml\b[^>]*?\bencoding\s*=\s*["']([^"']*)""")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EVENTBRIDGE = (
    "EventBridgeConfiguration is not supported here: leave it out, and let an EventBridge rule with an API destination "
    "post its events to /ingest/{source} of this server."
)


def parse_notification(body: bytes) -> list[Rule]:
    """The rules of a NotificationConfiguration in document order.

    What they say of targets and keys stands in `as_put` alone; the registry works out the rest. Any namespace or none,
    elements in any order. Raises RuleRefused: `MalformedXML` for what breaks the schema, `InvalidArgument` with every
    fault for what the schema allows and S3 does not.
    """
    root = _parse(body, "NotificationConfiguration")
    rules, faults = [], []
    for node in _children(root, {*_TARGET_ELEMENTS, "EventBridgeConfiguration"}):
        if node.tag == "EventBridgeConfiguration":
            faults.append(Fault("InvalidArgument", _EVENTBRIDGE, advice="Leave EventBridgeConfiguration out."))
            continue
        rule = _rule(node)
        rules.append(rule)
        faults.extend(_filter_faults(rule, f"rules[{len(rules) - 1}].filter"))
    if faults:
        raise RuleRefused(faults)
    return [_with_capitalised_filter(rule) for rule in rules]


def parse_location(body: bytes) -> str | None:
    """The region that a CreateBucketConfiguration asks for; None when the body is empty or names none."""
    if not body:
        return None
    root = _parse(body, "CreateBucketConfiguration")
    constraint = next((node for node in root if node.tag == "LocationConstraint"), None)
    return None if constraint is None else _text(constraint).strip() or None


def render_notification(rules: Iterable[Rule], *, filter_names_in_lower_case: bool = False) -> bytes:
    """The document that gives every rule back as it was put.

    Amazon S3 writes the names of filters as `Prefix` and `Suffix`; minio-py takes every name but `prefix` for a suffix.
    """
    spell = str.lower if filter_names_in_lower_case else str
    return _document("NotificationConfiguration", *(_configuration(rule, spell) for rule in rules))


def render_location(region: str) -> bytes:
    """The answer to `GET ?location`; S3 leaves the name of its first region, us-east-1, out."""
    return _document("LocationConstraint", "" if region == "us-east-1" else _escaped(region))


def render_buckets(owner: str, buckets: Sequence[tuple[Bucket, str]]) -> bytes:
    """The answer to `GET /`; each bucket comes with its date, ISO 8601 in UTC."""
    return _document(
        "ListAllMyBucketsResult",
        element("Owner", text_element("ID", owner), text_element("DisplayName", owner)),
        element("Buckets", *(_listed(bucket, date) for bucket, date in buckets)),
    )


def element(name: str, *children: str) -> str:
    """One element around children that are XML already."""
    return f"<{name}>{''.join(children)}</{name}>"


def text_element(name: str, text: str) -> str:
    """One element around plain text."""
    return element(name, _escaped(text))


def declared(xml: str) -> bytes:
    """A whole document, with the XML declaration in front."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}'.encode()


def _document(root: str, *children: str) -> bytes:
    return declared(f'<{root} xmlns="{NAMESPACE}">{"".join(children)}</{root}>')


def _escaped(text: str) -> str:
    """Plain text as XML: a carriage return keeps its identity, what XML cannot hold becomes U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _listed(bucket: Bucket, date: str) -> str:
    return element(
        "Bucket",
        text_element("Name", bucket.name),
        text_element("CreationDate", date),
        text_element("BucketRegion", bucket.region),
    )


def _configuration(rule: Rule, spell: Callable[[str], str]) -> str:
    as_put = rule.as_put
    return element(
        f"{as_put.element}Configuration",
        text_element("Id", rule.id),
        text_element(as_put.element, as_put.target_text),
        *(text_element("Event", event) for event in rule.events),
        _filter([(spell(name), value) for name, value in as_put.filter_rules]),
    )


def _filter(rules: Sequence[tuple[str, str]]) -> str:
    if not rules:
        return ""
    pairs = (element("FilterRule", text_element("Name", name), text_element("Value", value)) for name, value in rules)
    return element("Filter", element("S3Key", *pairs))


def _rule(node: "Node") -> Rule:
    name = _TARGET_ELEMENTS[node.tag]
    parts = list(_children(node, {"Id", name, "Event", "Filter"}))
    events = tuple(_text(part).strip() for part in parts if part.tag == "Event")
    if not events:
        _malformed(f"{node.tag} needs at least one Event.")
    target = _only(node, parts, name)
    if target is None:
        _malformed(f"{node.tag} needs one {name}.")
    identifier = _only(node, parts, "Id")
    as_put = AsPut(name, _text(target).strip(), tuple(_filter_rules(_only(node, parts, "Filter"))))
    return Rule("", events, KeyFilter(), (), id="" if identifier is None else _text(identifier), as_put=as_put)


def _filter_rules(node: "Node | None") -> Iterable[tuple[str, str]]:
    """(name, value) of each FilterRule as written."""
    keys = None if node is None else _only(node, list(_children(node, {"S3Key"})), "S3Key")
    for rule in [] if keys is None else _children(keys, {"FilterRule"}):
        parts = list(_children(rule, {"Name", "Value"}))
        name, value = _only(rule, parts, "Name"), _only(rule, parts, "Value")
        if name is None or value is None:
            _malformed("A FilterRule needs one Name and one Value; the Value may be empty.")
        yield _text(name).strip(), _text(value)


def _filter_faults(rule: Rule, field: str) -> Iterable[Fault]:
    names = [name for name, _ in rule.as_put.filter_rules]
    for name in names:
        if name.lower() not in _FILTER_NAMES:
            message = "filter rule name must be either prefix or suffix"
            yield _filter_fault(message, rule, field, name, "Name it Prefix or Suffix, in any case.")
    for name in _FILTER_NAMES:
        if sum(given.lower() == name for given in names) > 1:
            message = f"Cannot specify more than one {name} rule in a filter."
            yield _filter_fault(message, rule, field, name, f"Make one rule for each {name}.")


def _filter_fault(message: str, rule: Rule, field: str, name: str, advice: str) -> Fault:
    arguments = (("ArgumentName", "FilterRule.Name"), ("ArgumentValue", name))
    return Fault("InvalidArgument", message, "filter", rule.id, field, name, advice, arguments)


def _with_capitalised_filter(rule: Rule) -> Rule:
    capitalised = tuple((_FILTER_NAMES[name.lower()], value) for name, value in rule.as_put.filter_rules)
    return replace(rule, as_put=replace(rule.as_put, filter_rules=capitalised))


def _parse(body: bytes, root: str) -> "Node":
    """The tree below the one root element that is allowed, every tag without its namespace."""
    try:
        tree: Node = ElementTree.fromstring(_decode(body), forbid_dtd=True)
    except DefusedXmlException:
        _malformed("A document type declaration (DTD) is not read here; leave it out.")
    except ElementTree.ParseError as error:
        _malformed(f"This is not XML: {error}.")
    for node in tree.iter():
        node.tag = node.tag.rpartition("}")[2]
    if tree.tag != root:
        _malformed(f"The root element must be {root}, not {tree.tag}.")
    return tree


def _decode(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        _malformed("The body is not UTF-8.")
    encoding = _DECLARED_ENCODING.match(text)
    if encoding and encoding[1].lower() not in ("utf-8", "utf8"):
        _malformed(f"The body declares itself {encoding[1]}; send UTF-8.")
    return text


def _children(node: "Node", allowed: set[str]) -> Iterable["Node"]:
    """The children of an element that holds only elements, all of them of the allowed names."""
    if (node.text or "").strip() or any((child.tail or "").strip() for child in node):
        _malformed(f"{node.tag} holds text between its elements.")
    for child in node:
        if child.tag not in allowed:
            _malformed(f"{node.tag} does not hold {child.tag}, but {', '.join(sorted(allowed))}.")
        yield child


def _only(node: "Node", parts: Sequence["Node"], name: str) -> "Node | None":
    found = [part for part in parts if part.tag == name]
    if len(found) > 1:
        _malformed(f"{node.tag} holds more than one {name}.")
    return found[0] if found else None


def _text(node: "Node") -> str:
    if len(node):
        _malformed(f"{node.tag} holds text, not elements.")
    return node.text or ""


def _malformed(advice: str) -> NoReturn:
    raise RuleRefused([Fault("MalformedXML", MALFORMED, advice=advice)])
