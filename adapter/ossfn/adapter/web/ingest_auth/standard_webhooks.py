"""Webhooks signed by Standard Webhooks 1.0, as another ossfn sends them."""

from collections.abc import Sequence

from standardwebhooks import Webhook, WebhookVerificationError

from ossfn.adapter.web.ingest_auth.guard import Posted, Refused


class StandardWebhooksGuard:
    """Takes what is signed with one of several secrets, no more than five minutes ago."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [Webhook(secret) for secret in secrets]

    async def check(self, posted: Posted) -> None:
        """Raises Refused."""
        faults = [_fault(key, posted) for key in self._keys]
        if None not in faults:
            raise Refused(403, "SignatureDoesNotMatch", f"not signed with a secret of this source: {faults[0]}")


def _fault(key: Webhook, posted: Posted) -> str | None:
    try:
        key.verify(posted.body, dict(posted.headers), json_parse=False)
    except WebhookVerificationError as fault:
        return str(fault)
    except ValueError:  # from base64, UTF-8 or a list that is broken; the package lets it pass
        return "malformed"
    return None
