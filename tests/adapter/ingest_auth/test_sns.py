"""Messages signed as Amazon SNS documents it."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from tests.adapter.ingest_auth.conftest import NOW, Issuer, publishing

from ossfn.adapter.dialects.sns import Envelope, read_envelope
from ossfn.adapter.web.ingest_auth import Posted, Refused, SnsGuard
from ossfn.adapter.web.ingest_auth.certificates import check_signature
from ossfn.adapter.web.ingest_auth.sns import amazon_origin, signed_text

TOPIC = "arn:aws:sns:us-east-1:123456789012:s3-topic"
CERTIFICATE = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
SUBSCRIBE = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
EMULATOR = "http://localhost:4566"

NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "Amazon S3 Notification",
    "Message": '{"Records":[{"s3":{"object":{"key":"猫"}}}]}\n',
    "Timestamp": "2026-11-18T11:06:40.000Z",
    "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
}
NOTIFICATION_TEXT = (
    'Message\n{"Records":[{"s3":{"object":{"key":"猫"}}}]}\n\n'
    "MessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\n"
    "Subject\nAmazon S3 Notification\n"
    "Timestamp\n2026-11-18T11:06:40.000Z\n"
    f"TopicArn\n{TOPIC}\n"
    "Type\nNotification\n"
)
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe",
    "SubscribeURL": SUBSCRIBE,
    "Timestamp": "2026-11-18T11:06:40.000Z",
}
CONFIRMATION_TEXT = (
    "Message\nYou have chosen to subscribe\n"
    "MessageId\n165545c9-2a5c-472c-8df2-7ff2be2b3b1b\n"
    f"SubscribeURL\n{SUBSCRIBE}\n"
    "Timestamp\n2026-11-18T11:06:40.000Z\n"
    "Token\n2336412f37\n"
    f"TopicArn\n{TOPIC}\n"
    "Type\nSubscriptionConfirmation\n"
)


# Of the emulator that sent the captured messages; its certificate was not captured, but two signatures tell the key.
CAPTURED_MODULUS = (
    "ccddb00e632d26a1ed7d5af012277da49ce25e6b36600623ae1d3c5997a190a50e8af9afb7f6ecff342ca19bea77a20069c3"
    "7c04aa54865e87f4dd1cf33b6a45f2bb527ca87645365fbf2e4b35aeacb708615ee4d2e4322591a8ff75268ac9256598fb4f"
    "749e54e70962a965a9ea554a77608488018b40f2861f11b0dad233456749f3b6a673e251ffd4efaca5fab96ea5a0c8e4a324"
    "ee96a6b79d8157945fd0997ac3870dc12998937484482cff8e5003e129ac3fa21d9befb323263b1f9992c8cebd33d32c8fa5"
    "9b9b474833f53d1394895943020a07e341279dbbb9b1c1131278c97a7baf2a01aacdfabde369bd62242984437ba434ff7847"
    "5e8967cd8431"
)


def captured() -> list[Envelope]:
    """Every signed message that was captured."""
    files = sorted((Path(__file__).parents[2] / "dialects" / "localstack" / "sns-http").glob("*.json"))
    bodies = [
        delivery["body"]
        for path in files
        if not path.name.endswith(".expected.json")
        for delivery in json.loads(path.read_text())["deliveries"]
    ]
    return [read_envelope.decode(body.encode()) for body in bodies if '"Signature"' in body]


def posted(message: object) -> Posted:
    return Posted("POST", "/ingest/sns", {}, json.dumps(message).encode())


def signed(issuer: Issuer, message: dict[str, str], text: str, version: str = "1", url: str = CERTIFICATE) -> Posted:
    signature = issuer.sign(text.encode(), SHA1() if version == "1" else SHA256())  # noqa: S303 - SNS version 1
    more = {"SignatureVersion": version, "Signature": signature, "SigningCertURL": url}
    return posted(message | more)


def guard(issuer: Issuer, visited: list[str] | None = None, *, origins: tuple[str, ...] = ()) -> SnsGuard:
    pages = {CERTIFICATE: issuer.certificate, f"{EMULATOR}/c.pem": issuer.certificate, SUBSCRIBE: b"<Confirm/>"}
    fetch = publishing(pages, visited)
    return SnsGuard(fetch, [TOPIC], origins, 3900, lambda: NOW)


async def refusal(guard: SnsGuard, posted: Posted) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await guard.check(posted)
    return caught.value.status, caught.value.reason


def test_captured_messages_were_signed_over_the_same_text() -> None:
    key = rsa.RSAPublicNumbers(65537, int(CAPTURED_MODULUS, 16)).public_key()
    messages = captured()
    assert len(messages) > 20
    for message in messages:
        check_signature(key, message.signature or "", signed_text(message), SHA1())  # noqa: S303 - SNS version 1


@pytest.mark.parametrize("version", ["1", "2"])
async def test_signed_messages_of_each_type_are_let_in(issuer: Issuer, version: str) -> None:
    one = guard(issuer)
    await one.check(signed(issuer, NOTIFICATION, NOTIFICATION_TEXT, version))
    await one.check(signed(issuer, CONFIRMATION, CONFIRMATION_TEXT, version))
    ended, text = ({**CONFIRMATION, "Type": "UnsubscribeConfirmation"}, CONFIRMATION_TEXT)
    await one.check(signed(issuer, ended, text.replace("SubscriptionC", "UnsubscribeC"), version))


async def test_a_missing_subject_is_left_out_of_what_is_signed(issuer: Issuer) -> None:
    message = {name: value for name, value in NOTIFICATION.items() if name != "Subject"}
    text = NOTIFICATION_TEXT.replace("Subject\nAmazon S3 Notification\n", "")
    await guard(issuer).check(signed(issuer, message, text))


@pytest.mark.parametrize("timestamp", ["2026-11-18T10:01:39.000Z", "2026-11-18T12:11:41.000Z", "yesterday", ""])
async def test_an_old_message_is_not_taken_again(issuer: Issuer, timestamp: str) -> None:
    text = NOTIFICATION_TEXT.replace(NOTIFICATION["Timestamp"], timestamp)
    assert await refusal(guard(issuer), signed(issuer, NOTIFICATION | {"Timestamp": timestamp}, text)) == (
        403,
        "DateNotAccepted",
    )


@pytest.mark.parametrize("member", ["Message", "MessageId", "Subject", "Type"])
async def test_a_changed_member_is_noticed(issuer: Issuer, member: str) -> None:
    changed = "SubscriptionConfirmation" if member == "Type" else "changed"
    message = signed(issuer, NOTIFICATION | {member: changed}, NOTIFICATION_TEXT)
    assert await refusal(guard(issuer), message) == (403, "SignatureDoesNotMatch")


async def test_a_signature_by_another_or_by_another_hash_is_refused(issuer: Issuer, stranger: Issuer) -> None:
    assert await refusal(guard(issuer), signed(stranger, NOTIFICATION, NOTIFICATION_TEXT)) == (
        403,
        "SignatureDoesNotMatch",
    )
    good = json.loads(signed(issuer, NOTIFICATION, NOTIFICATION_TEXT, "1").body)
    for version in ("2", "3", None):
        assert await refusal(guard(issuer), posted(good | {"SignatureVersion": version})) == (
            403,
            "SignatureDoesNotMatch",
        )


async def test_a_topic_that_is_not_expected_is_refused_before_anything_is_fetched(issuer: Issuer) -> None:
    visited: list[str] = []
    theirs = TOPIC.replace("123456789012", "999999999999")
    message = signed(issuer, NOTIFICATION | {"TopicArn": theirs}, NOTIFICATION_TEXT.replace(TOPIC, theirs))
    assert await refusal(guard(issuer, visited), message) == (403, "TopicNotExpected")
    assert visited == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://sns.us-east-1.amazonaws.com/c.pem",
        "https://sns.eu-west-1.amazonaws.com/c.pem",
        "https://sns.s3-us-west-2.amazonaws.com/c.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/c.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/c.pem",
        "https://sns.us-east-1.amazonaws.com:8443/c.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/c.pem",
        f"{EMULATOR}/c.pem",
        "https://x.example:port/",
    ],
)
async def test_a_certificate_from_elsewhere_is_never_fetched(issuer: Issuer, url: str) -> None:
    visited: list[str] = []
    message = signed(issuer, NOTIFICATION, NOTIFICATION_TEXT, url=url)
    assert await refusal(guard(issuer, visited), message) == (403, "CertificateNotTrusted")
    assert visited == []


async def test_an_emulator_is_trusted_where_it_is_named(issuer: Issuer) -> None:
    message = signed(issuer, NOTIFICATION, NOTIFICATION_TEXT, url=f"{EMULATOR}/c.pem")
    await guard(issuer, origins=(EMULATOR,)).check(message)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"Records":[]}', b'{"Type":"Other"}', b'{"Type":1}', b'{"a":' * 9999]
)
async def test_what_is_no_message_of_sns_is_refused(issuer: Issuer, body: bytes) -> None:
    assert await refusal(guard(issuer), Posted("POST", "/", {}, body)) == (403, "SignatureDoesNotMatch")


async def test_raw_delivery_is_told_why_it_cannot_be_taken(issuer: Issuer) -> None:
    with pytest.raises(Refused, match="raw message delivery has no signature: turn it off"):
        await guard(issuer).check(posted({"Records": []}))


async def test_a_subscription_is_confirmed_by_a_visit(issuer: Issuer) -> None:
    visited: list[str] = []
    await guard(issuer, visited).confirm(TOPIC, SUBSCRIBE)
    assert visited == [SUBSCRIBE]


async def test_a_visit_leads_to_amazon_only_and_is_asked_for_again_when_it_fails(issuer: Issuer) -> None:
    visited: list[str] = []
    with pytest.raises(Refused) as caught:
        await guard(issuer, visited).confirm(TOPIC, "http://169.254.169.254/latest/meta-data")
    assert (caught.value.status, visited) == (403, [])
    with pytest.raises(Refused, match="could not be confirmed") as caught:
        await guard(issuer, visited).confirm(TOPIC, f"{SUBSCRIBE}0")
    assert caught.value.status == 503


@pytest.mark.parametrize(
    ("topic", "origin"),
    [
        (TOPIC, "https://sns.us-east-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:t", "https://sns.cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:t.fifo", "https://sns.us-gov-west-1.amazonaws.com"),
    ],
)
def test_where_a_topics_certificate_is(topic: str, origin: str) -> None:
    assert amazon_origin(topic) == origin
