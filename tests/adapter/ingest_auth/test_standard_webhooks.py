"""Webhooks that Standard Webhooks' own package signed."""

import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from ossfn.adapter.web.ingest_auth import Posted, Refused
from ossfn.adapter.web.ingest_auth.standard_webhooks import StandardWebhooksGuard

OLD, NEW, OTHER = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in range(3))
BODY = '{"key":"猫"}'.encode()
GUARD = StandardWebhooksGuard([NEW, OLD])


def posted(secret: str = OLD, *, age: float = 0, body: bytes = BODY, **changes: str) -> Posted:
    at = datetime.fromtimestamp(int(time.time() - age), UTC)
    headers = {
        "webhook-id": "m-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("m-1", at, BODY.decode()),
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return Posted("POST", "/ingest/x", headers, body)


@pytest.mark.parametrize("secret", [OLD, NEW])
async def test_any_of_the_secrets_will_do(secret: str) -> None:
    await GUARD.check(posted(secret))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (posted(OTHER), "No matching signature"),
        (posted(body=BODY + b" "), "No matching signature"),
        (posted(body=b"\xff"), "malformed"),
        (posted(webhook_id="m-2"), "No matching signature"),
        (posted(age=600), "too old"),
        (posted(age=-600), "too new"),
        (posted(webhook_timestamp="nan"), "Invalid"),
        (posted(webhook_signature=""), "Missing required headers"),
        (posted(webhook_signature="v1"), "malformed"),
        (posted(webhook_signature="v1,a,b"), "malformed"),
        (posted(webhook_signature="v1,="), "malformed|No matching"),
        (posted(webhook_signature="v1a,AAAA"), "No matching signature"),
        (Posted("POST", "/", {}, b""), "Missing required headers"),
    ],
)
async def test_nothing_else_is_let_in(wrong: Posted, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        await GUARD.check(wrong)
    assert (caught.value.status, caught.value.reason) == (403, "SignatureDoesNotMatch")
