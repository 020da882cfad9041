"""The public keys that senders sign with, fetched from where their certificates are published and kept for a while."""

import asyncio
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.x509 import load_pem_x509_certificate

from ossfn.adapter.web.ingest_auth.fetching import CannotFetch, Fetch
from ossfn.adapter.web.ingest_auth.guard import Refused

_KEEP_SECONDS = 300.0
_KEEP_FAILURE_SECONDS = 10.0
_MOST_KEPT = 64
_LEAST_KEY_BITS = 1024
"""Shorter RSA keys are broken in hours on one machine."""


class Certificates:
    """Finds keys by the URL of their certificate, which the caller must have found to be trustworthy."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[str, tuple[float, RSAPublicKey | Refused]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def key(self, url: str) -> RSAPublicKey:
        """The key; raises Refused, 503 when nothing could be fetched."""
        async with self._one_at_a_time:
            until, found = self._kept.get(url, (0.0, None))
            if found is None or until < self._clock():
                found = await self._look_up(url)
                self._keep(url, found)
        if isinstance(found, Refused):
            raise Refused(found.status, found.reason, found.detail, headers=found.headers)
        return found

    async def _look_up(self, url: str) -> RSAPublicKey | Refused:
        try:
            pem = await self._fetch(url)
        except CannotFetch as fault:
            detail = f"the certificate to check the signature with could not be fetched, send it again: {fault}"
            return Refused(503, "CertificateUnavailable", detail, headers={"Retry-After": "10"})
        try:
            return _key_of(pem, datetime.fromtimestamp(self._clock(), UTC))
        except ValueError as fault:
            return Refused(403, "CertificateNotTrusted", f"{url} is no certificate to check a signature with: {fault}")

    def _keep(self, url: str, found: RSAPublicKey | Refused) -> None:
        seconds = _KEEP_FAILURE_SECONDS if isinstance(found, Refused) else _KEEP_SECONDS
        self._kept.pop(url, None)
        self._kept[url] = (self._clock() + seconds, found)
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def _key_of(pem: bytes, now: datetime) -> RSAPublicKey:
    certificate = load_pem_x509_certificate(pem)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ValueError(f"it is valid until {certificate.not_valid_after_utc:%Y-%m-%d} only, or not yet")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_KEY_BITS:
        raise ValueError(f"not an RSA key of {_LEAST_KEY_BITS} bits or more")
    return key


def check_signature(key: RSAPublicKey, signature: str, text: bytes, algorithm: HashAlgorithm) -> None:
    """PKCS #1 v1.5 (RFC 8017, 8.2), the signature in base64; raises Refused."""
    try:
        key.verify(b64decode(signature, validate=True), text, PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError):
        raise Refused(403, "SignatureDoesNotMatch", "the signature does not fit the request") from None
