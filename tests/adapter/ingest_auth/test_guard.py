"""Whatever comes, a guard refuses it or lets it in; it never fails."""

import asyncio
import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapter.ingest_auth.conftest import NOW, publishing
from tests.adapter.ingest_auth.test_jd import unsigned
from tests.adapter.ingest_auth.test_sns import NOTIFICATION, TOPIC

from ossfn.adapter.web.ingest_auth import Guard, Posted, Refused, SnsGuard
from ossfn.adapter.web.ingest_auth.jd import JdGuard
from ossfn.adapter.web.ingest_auth.standard_webhooks import StandardWebhooksGuard
from ossfn.adapter.web.ingest_auth.tokens import carries

FETCH = publishing({})
HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
WEBHOOK = StandardWebhooksGuard([f"whsec_{b64encode(bytes(32)).decode()}"])
JD = JdGuard(FETCH, ["https://x.example"], 900, lambda: NOW)
SNS = SnsGuard(FETCH, [TOPIC], (), 3900, lambda: NOW)
ENVELOPE = {**NOTIFICATION, "SignatureVersion": "1", "Signature": "AAAA", "SigningCertURL": "https://x.example/c.pem"}


def refused(guard: Guard, posted: Posted) -> None:
    with pytest.raises(Refused):
        asyncio.run(guard.check(posted))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), HEADER), st.binary())
def test_webhooks(headers: dict[str, str], body: bytes) -> None:
    refused(WEBHOOK, Posted("POST", "/", headers, body))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(unsigned().headers)), HEADER))
def test_jd(changes: dict[str, str]) -> None:
    refused(JD, Posted("POST", "/", {**unsigned().headers, **changes}, b'{"Records":[]}'))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ENVELOPE)), st.one_of(st.none(), st.integers(), st.text(max_size=60))))
def test_sns(changes: dict[str, object]) -> None:
    refused(SNS, Posted("POST", "/", {}, json.dumps(ENVELOPE | changes).encode()))


@given(HEADER)
def test_tokens(authorization: str) -> None:
    assert not carries(authorization, "a-token-of-some-length")
