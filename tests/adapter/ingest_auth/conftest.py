"""Certificates as senders publish them, and the signatures that go with them."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ossfn.adapter.web.ingest_auth.fetching import CannotFetch, Fetch

NOW = 1_795_000_000.0


@dataclass(frozen=True)
class Issuer:
    """Signs, and publishes a certificate to check it with."""

    key: rsa.RSAPrivateKey
    certificate: bytes

    def sign(self, text: bytes, algorithm: hashes.HashAlgorithm) -> str:
        """In base64."""
        return b64encode(self.key.sign(text, padding.PKCS1v15(), algorithm)).decode()


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, until: float = NOW + 86400) -> bytes:
    """A self-signed one, in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    end = datetime.fromtimestamp(until, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """The sender that is configured."""
    key = rsa.generate_private_key(65537, 2048)
    return Issuer(key, certificate(key))


@pytest.fixture(scope="session")
def stranger() -> Issuer:
    """Somebody else."""
    key = rsa.generate_private_key(65537, 2048)
    return Issuer(key, certificate(key))


def publishing(pages: dict[str, bytes], visited: list[str] | None = None) -> Fetch:
    """A web of these pages."""

    async def fetch(url: str) -> bytes:
        if visited is not None:
            visited.append(url)
        if url not in pages:
            raise CannotFetch(f"nothing at {url}")
        return pages[url]

    return fetch
