"""Standard Webhooks 1.0: what proves to a callback's receiver that a request is ours, whole and fresh. Pure."""

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)
"""Standard Webhooks 1.0, "Symmetric": 192 to 512 bits."""


class Signer:
    """Signs with every one of its secrets, so that receivers can change over to a new one in their own time."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [Webhook(secret) for secret in secrets]

    def headers(self, message_id: str, now: float, body: bytes) -> list[tuple[str, str]]:
        """The headers that go with `webhook-id`; `now` is the time of this attempt in Unix seconds."""
        moment, text = datetime.fromtimestamp(int(now), UTC), body.decode()
        signatures = " ".join(key.sign(message_id, moment, text) for key in self._keys)
        return [("webhook-timestamp", str(int(now))), ("webhook-signature", signatures)]


def check_secret(secret: str) -> None:
    """Raise ValueError, which does not repeat it, when this is no secret that Standard Webhooks allows."""
    try:
        size = len(b64decode(secret.removeprefix(_PREFIX), validate=True))
    except ValueError:
        size = 0
    if size not in _SECRET_BYTES or not secret.startswith(_PREFIX):
        raise ValueError('a webhook secret is "whsec_" and the base64 of 24 to 64 bytes: openssl rand -base64 32')
