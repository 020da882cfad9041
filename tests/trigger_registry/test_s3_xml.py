"""The XML of the S3 bucket API: what is read, what is refused, and that what was put is given back."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.errors import RuleRefused
from ossfn.trigger_registry.rules import AsPut, Bucket, Element, KeyFilter, Rule
from ossfn.trigger_registry.s3_xml import (
    MALFORMED,
    parse_location,
    parse_notification,
    render_buckets,
    render_location,
    render_notification,
)

JD_EXAMPLE = b"""
<NotificationConfiguration>
    <TopicConfiguration>
        <Id>ConfigurationId</Id>
        <Filter>
            <S3Key>
                <FilterRule><Name>prefix</Name><Value>prefix-value</Value></FilterRule>
                <FilterRule><Name>suffix</Name><Value>suffix-value</Value></FilterRule>
            </S3Key>
        </Filter>
        <Topic>NS:endpoint1,endpoint2</Topic>
        <Event>event-type</Event>
        <Event> event-type-2
        </Event>
    </TopicConfiguration>
    <CloudFunctionConfiguration>
        <CloudFunction>function-id</CloudFunction>
        <Event>event-type</Event>
    </CloudFunctionConfiguration>
</NotificationConfiguration>"""


def rule(element: Element, text: str, events: tuple[str, ...], identifier: str = "", *filters: tuple[str, str]) -> Rule:
    return Rule("", events, KeyFilter(), (), id=identifier, as_put=AsPut(element, text, filters))


def in_queue(inner: str) -> bytes:
    """A document of one configuration that holds `inner` beside what it needs."""
    queue = f"<QueueConfiguration><Queue>q</Queue><Event>e</Event>{inner}</QueueConfiguration>"
    return f"<NotificationConfiguration>{queue}</NotificationConfiguration>".encode()


def in_filter(inner: str) -> bytes:
    return in_queue(f"<Filter><S3Key>{inner}</S3Key></Filter>")


def test_jd_clouds_own_example() -> None:
    filters = (("Prefix", "prefix-value"), ("Suffix", "suffix-value"))
    assert parse_notification(JD_EXAMPLE) == [
        rule("Topic", "NS:endpoint1,endpoint2", ("event-type", "event-type-2"), "ConfigurationId", *filters),
        rule("CloudFunction", "function-id", ("event-type",)),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"<NotificationConfiguration/>",
        b'<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/" />',
        b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<n:NotificationConfiguration xmlns:n="urn:any"/>\n',
        b"<?xml version='1.0'?><!-- off --><NotificationConfiguration>\n</NotificationConfiguration>",
    ],
)
def test_documents_that_turn_everything_off(body: bytes) -> None:
    assert parse_notification(body) == []


def test_text_is_kept_to_the_character() -> None:
    (read,) = parse_notification(
        in_filter("<FilterRule><Name>PREFIX</Name><Value> a&amp;b&#13;\n<!-- x -->图</Value></FilterRule>")
    )
    assert read.as_put.filter_rules == (("Prefix", " a&b\r\n图"),)
    (read,) = parse_notification(in_filter("<FilterRule><Value/><Name>suffix</Name></FilterRule>"))
    assert read.as_put.filter_rules == (("Suffix", ""),)


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        (b"", "This is not XML: no element found"),
        (b"this is not xml", "This is not XML"),
        (b"<NotificationConfiguration><QueueConfiguration>", "This is not XML"),
        (b"<NotificationConfiguration>\x00</NotificationConfiguration>", "This is not XML"),
        (b"<CORSConfiguration></CORSConfiguration>", "must be NotificationConfiguration, not CORSConfiguration"),
        (b"\xff\xfe<\x00", "not UTF-8"),
        ("<NotificationConfiguration/>".encode("utf-16"), "not UTF-8"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><NotificationConfiguration/>', "declares itself ISO-8859-1"),
        (b"<!DOCTYPE n><NotificationConfiguration/>", "DTD"),
        (b'<!DOCTYPE n [<!ENTITY a "b">]><NotificationConfiguration>&a;</NotificationConfiguration>', "DTD"),
        (b'<!DOCTYPE n SYSTEM "file:///etc/passwd"><NotificationConfiguration/>', "DTD"),
        (b"<NotificationConfiguration>x</NotificationConfiguration>", "text between its elements"),
        (b"<NotificationConfiguration><Other/></NotificationConfiguration>", "does not hold Other"),
        (in_queue("<Topic>t</Topic>"), "does not hold Topic, but Event, Filter, Id, Queue"),
        (in_queue("<Queue>r</Queue>"), "more than one Queue"),
        (in_queue("<Id>1</Id><Id>1</Id>"), "more than one Id"),
        (in_queue("<Id><b/></Id>"), "Id holds text, not elements"),
        (in_queue("<Filter/><Filter/>"), "more than one Filter"),
        (in_queue("<Filter><S3Key/><S3Key/></Filter>"), "more than one S3Key"),
        (in_queue("<Filter><S3Tags/></Filter>"), "does not hold S3Tags"),
        (in_filter("<FilterRule/>"), "needs one Name and one Value"),
        (in_filter("<FilterRule><Name>prefix</Name></FilterRule>"), "needs one Name and one Value"),
        (in_filter("<FilterRule><Value>prefix</Value></FilterRule>"), "needs one Name and one Value"),
        (in_queue("").replace(b"<Event>e</Event>", b""), "needs at least one Event"),
        (in_queue("").replace(b"<Queue>q</Queue>", b""), "needs one Queue"),
        (b"<NotificationConfiguration>" + b"<a>" * 100_000, "This is not XML"),
    ],
)
def test_malformed(body: bytes, advice: str) -> None:
    with pytest.raises(RuleRefused) as caught:
        parse_notification(body)
    (fault,) = caught.value.faults
    assert (fault.code, fault.message) == ("MalformedXML", MALFORMED)
    assert advice in fault.advice


def test_every_wrong_filter_is_told_at_once() -> None:
    filter_rule = "<FilterRule><Name>{}</Name><Value>v</Value></FilterRule>"
    body = in_filter(filter_rule.format("INVALID") + filter_rule.format("suffix") + filter_rule.format("Suffix"))
    with pytest.raises(RuleRefused) as caught:
        parse_notification(body)
    wrong, twice = caught.value.faults
    assert wrong.message == "filter rule name must be either prefix or suffix"
    assert wrong.arguments == (("ArgumentName", "FilterRule.Name"), ("ArgumentValue", "INVALID"))
    assert twice.message == "Cannot specify more than one suffix rule in a filter."
    assert {wrong.field, twice.field} == {"rules[0].filter"}


def test_eventbridge_is_refused_in_words() -> None:
    with pytest.raises(RuleRefused) as caught:
        parse_notification(b"<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>")
    (fault,) = caught.value.faults
    assert fault.code == "InvalidArgument"
    assert "/ingest/" in fault.message


def test_schema_before_meaning() -> None:
    body = b"<NotificationConfiguration><EventBridgeConfiguration/><Other/></NotificationConfiguration>"
    with pytest.raises(RuleRefused) as caught:
        parse_notification(body)
    assert [fault.code for fault in caught.value.faults] == ["MalformedXML"]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffe\uffff"), max_size=12).filter(
    lambda text: not re.search("[\x01-\x08\x0b\x0c\x0e-\x1f]", text)
)
words = texts.map(str.strip)
rules = st.builds(
    rule,
    st.sampled_from(["Topic", "Queue", "CloudFunction"]),
    words,
    st.lists(words, min_size=1, max_size=3).map(tuple),
    texts,
)


@given(st.lists(rules, max_size=4), st.one_of(st.none(), texts), st.one_of(st.none(), texts))
def test_what_is_rendered_is_read_as_it_was(rules: list[Rule], prefix: str | None, suffix: str | None) -> None:
    filters = tuple((name, value) for name, value in (("Suffix", suffix), ("Prefix", prefix)) if value is not None)
    rules = [replace(rule, as_put=replace(rule.as_put, filter_rules=filters)) for rule in rules]
    assert parse_notification(render_notification(rules)) == rules


def test_what_xml_cannot_hold_is_replaced_when_rendered() -> None:
    assert "<Id>a\ufffdb</Id>" in render_notification([rule("Queue", "q", ("e",), "a\x00b")]).decode()


def test_locations() -> None:
    assert parse_location(b"") is None
    assert parse_location(b"<CreateBucketConfiguration/>") is None
    asked = b"<CreateBucketConfiguration xmlns='x'>%s</CreateBucketConfiguration>"
    assert parse_location(asked % b"<LocationConstraint>cn-east-1</LocationConstraint>") == "cn-east-1"
    assert render_location("cn-north-1").endswith(b">cn-north-1</LocationConstraint>")
    assert render_location("us-east-1").endswith(b"></LocationConstraint>")


def test_list_of_buckets() -> None:
    listed = render_buckets("me", [(Bucket("a&b", "cn-north-1"), "2026-01-02T03:04:05.000Z")]).decode()
    assert "<Owner><ID>me</ID><DisplayName>me</DisplayName></Owner>" in listed
    assert "<Name>a&amp;b</Name><CreationDate>2026-01-02T03:04:05.000Z</CreationDate>" in listed
