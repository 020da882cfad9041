"""Messages of Amazon SNS: signed with RSA, from topics that are expected, their subscriptions confirmed by a visit.

Source: Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages". A good signature says that Amazon
sent it, not for whom: anybody may subscribe our address to a topic of their own. So the topic lets it in, and its
region says where the certificate must come from.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from ossfn.adapter.dialects.sns import Envelope, read_envelope
from ossfn.adapter.web.ingest_auth.certificates import Certificates, check_signature
from ossfn.adapter.web.ingest_auth.fetching import CannotFetch, Fetch, origin_of
from ossfn.adapter.web.ingest_auth.guard import Posted, Refused, check_age

_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_ATTRIBUTE = {field.encode_name: field.name for field in msgspec.structs.fields(Envelope)}
_HASHES: dict[str | None, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - 1 is what a topic starts with


class SnsGuard:
    """Takes signed messages of these topics. `origins` are trusted for certificates and visits beside Amazon's own."""

    def __init__(
        self,
        fetch: Fetch,
        topics: Sequence[str],
        origins: Sequence[str],
        window_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._certificates = Certificates(fetch, clock)
        self._fetch = fetch
        self._topics = frozenset(topics)
        self._origins = frozenset(origin_of(origin) for origin in origins)
        self._window_seconds = window_seconds
        self._clock = clock

    async def check(self, posted: Posted) -> None:
        """Raises Refused."""
        envelope = _envelope(posted.body)
        if envelope.topic_arn not in self._topics:
            raise Refused(
                403, "TopicNotExpected", f"not a topic of this source: {envelope.topic_arn[:256]!r}; see its topics"
            )
        check_age(self._clock() - _sent_at(envelope), self._window_seconds)
        algorithm = _HASHES.get(envelope.signature_version)
        if algorithm is None:
            raise Refused(403, "SignatureDoesNotMatch", "SignatureVersion is neither 1 nor 2")
        url = envelope.signing_cert_url or ""
        self._check_origin("SigningCertURL", url, envelope.topic_arn)
        key = await self._certificates.key(url)
        check_signature(key, envelope.signature or "", signed_text(envelope), algorithm)

    async def confirm(self, topic: str, url: str) -> None:
        """Visit the SubscribeURL of a message that passed `check`; raises Refused, 503 when it did not work."""
        self._check_origin("SubscribeURL", url, topic)
        try:
            await self._fetch(url)
        except CannotFetch as fault:
            detail = f"the subscription to {topic} could not be confirmed: {fault}"
            raise Refused(503, "NotConfirmed", detail, headers={"Retry-After": "10"}) from fault

    def _check_origin(self, member: str, url: str, topic: str) -> None:
        try:
            origin = origin_of(url)
        except CannotFetch as fault:
            raise Refused(403, "CertificateNotTrusted", f"{member}: {fault}") from None
        if origin not in {*self._origins, amazon_origin(topic)}:
            raise Refused(403, "CertificateNotTrusted", f"{member} leads to {origin}, not to {amazon_origin(topic)}")


def signed_text(envelope: Envelope) -> bytes:
    """What is signed: names and values, each on a line; a missing Subject is left out."""
    members = [(name, getattr(envelope, _ATTRIBUTE[name])) for name in _SIGNED[envelope.type]]
    return "".join(f"{name}\n{value}\n" for name, value in members if value is not None).encode()


def amazon_origin(topic: str) -> str:
    """Where SNS of the topic's region is: `https://sns.us-east-1.amazonaws.com`."""
    _, partition, _, region, *_ = topic.split(":")
    return f"https://sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"


def _sent_at(envelope: Envelope) -> float:
    try:
        return datetime.fromisoformat(envelope.timestamp or "").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refused(403, "DateNotAccepted", "Timestamp is no time") from None


def _envelope(body: bytes) -> Envelope:
    try:
        envelope = read_envelope.decode(body)
    except (msgspec.DecodeError, RecursionError):
        envelope = None
    if envelope is None or envelope.type not in _SIGNED:
        raise Refused(
            403, "SignatureDoesNotMatch", "no signed message of SNS; raw message delivery has no signature: turn it off"
        )
    return envelope
