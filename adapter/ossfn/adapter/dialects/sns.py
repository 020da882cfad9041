"""S3 notifications that come through an Amazon SNS topic, in its envelope or raw.

Source: Amazon SNS developer guide, "HTTP/HTTPS notification JSON format" and "Raw message delivery".
"""

import msgspec
from msgspec import UNSET

from ossfn.adapter.dialects import notification as notifications
from ossfn.adapter.dialects import s3
from ossfn.adapter.dialects.decoded import Confirmation, Decoded, NotDecodable
from ossfn.adapter.dialects.fields import form_decoded
from ossfn.adapter.dialects.notification import Notification, fields
from ossfn.adapter.dialects.s3_record import Store

SNS = Store("sns", form_decoded)


class Envelope(msgspec.Struct, frozen=True, rename="pascal"):
    """What SNS wraps a message in; the members that only its signature needs may be missing."""

    type: str
    message: str = ""
    topic_arn: str = ""
    token: str = ""
    subscribe_url: str = msgspec.field(name="SubscribeURL", default="")
    message_id: str | None = None
    subject: str | None = None
    timestamp: str | None = None
    signature: str | None = None
    signature_version: str | None = None
    signing_cert_url: str | None = msgspec.field(name="SigningCertURL", default=None)


read_envelope = msgspec.json.Decoder(Envelope)


def decode(notification: Notification) -> Decoded | Confirmation:
    """The events inside `Message`, or the subscription to confirm. A body without envelope is raw delivery."""
    if notification.top.Type is UNSET:
        return s3.decode(notification, SNS)
    envelope = fields(read_envelope, notification.body)
    match envelope.type:
        case "Notification":
            return _message(notification, envelope)
        case "SubscriptionConfirmation":
            return Confirmation("sns", topic=envelope.topic_arn, url=envelope.subscribe_url, token=envelope.token)
        case "UnsubscribeConfirmation":
            return Decoded((), (f"SNS: the subscription to {envelope.topic_arn} was ended",))
    raise NotDecodable("Type", f"no message type of SNS: {envelope.type[:64]!r}")


def _message(notification: Notification, envelope: Envelope) -> Decoded:
    try:
        return s3.decode(notifications.read(notification.headers, envelope.message.encode()), SNS)
    except NotDecodable as error:
        raise error.inside("Message") from error
