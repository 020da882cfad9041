"""How long a certificate is kept, and which are none."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.adapter.ingest_auth.conftest import NOW, Issuer, certificate, publishing

from ossfn.adapter.web.ingest_auth import Refused
from ossfn.adapter.web.ingest_auth.certificates import Certificates

URL = "https://x.example/c.pem"

# openssl req -x509 -newkey rsa:512 -nodes -subj /CN=short -days 36500: no library makes so short a key any more.
SHORT = (
    b"-----BEGIN CERTIFICATE-----\n"
    b"MIIBeTCCASOgAwIBAgIURQU5azbeaaiQ5zsIsURrzDadCF0wDQYJKoZIhvcNAQEL\n"
    b"BQAwEDEOMAwGA1UEAwwFc2hvcnQwIBcNMjYxMTIyMTg1NzI5WhgPMjEyNjEwMjkx\n"
    b"ODU3MjlaMBAxDjAMBgNVBAMMBXNob3J0MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJB\n"
    b"AMfbXW9RwSfGH5YC+hq9+ya65ZW/zJ7mEEifbrwhk++X2PXUyCmSAfZYl0cNarAy\n"
    b"5U9VPRHi1fk9CLF5/6oZ5VkCAwEAAaNTMFEwHQYDVR0OBBYEFOyILaQy8B7dWqp2\n"
    b"d2f90Cwt94F4MB8GA1UdIwQYMBaAFOyILaQy8B7dWqp2d2f90Cwt94F4MA8GA1Ud\n"
    b"EwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADQQB91KMNW7/oFZkTbjbTumNsP7My\n"
    b"jC/QvErT7vVAtMT/P0M2e3Sn/vuK3QNudChIQBAmdTxpWIf+8uDRk9zNXRX7\n"
    b"-----END CERTIFICATE-----\n"
)


class Clock:
    """Goes when told to."""

    now = NOW

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now


async def test_a_certificate_is_fetched_again_after_five_minutes(issuer: Issuer) -> None:
    visited: list[str] = []
    clock = Clock()
    certificates = Certificates(publishing({URL: issuer.certificate}, visited), clock)
    for clock.now, fetched in ((NOW, 1), (NOW + 299, 1), (NOW + 301, 2)):
        assert (await certificates.key(URL)).public_numbers() == issuer.key.public_key().public_numbers()
        assert len(visited) == fetched


async def test_many_that_need_it_at_once_fetch_it_once(issuer: Issuer) -> None:
    visited: list[str] = []
    certificates = Certificates(publishing({URL: issuer.certificate}, visited), Clock())
    await asyncio.gather(*(certificates.key(URL) for _ in range(20)))
    assert visited == [URL]


async def test_a_failure_is_remembered_for_ten_seconds(issuer: Issuer) -> None:
    visited: list[str] = []
    pages: dict[str, bytes] = {}
    clock = Clock()
    certificates = Certificates(publishing(pages, visited), clock)
    for _ in range(2):
        with pytest.raises(Refused, match="could not be fetched, send it again: nothing at") as caught:
            await certificates.key(URL)
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "10"})
    assert visited == [URL]
    pages[URL] = issuer.certificate
    clock.now += 11
    await certificates.key(URL)


async def test_no_more_than_a_few_are_kept(issuer: Issuer) -> None:
    visited: list[str] = []
    pages = {f"{URL}?{n}": issuer.certificate for n in range(200)}
    certificates = Certificates(publishing(pages, visited), Clock())
    for url in pages:
        await certificates.key(url)
    await certificates.key(f"{URL}?199")
    await certificates.key(f"{URL}?0")
    assert len(visited) == 201


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"", "PEM"),
        (b"<html>not found</html>", "PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "asn1"),
        (certificate(ec.generate_private_key(ec.SECP256R1()), until=NOW + 25 * 86400), "not an RSA key of 1024 bits"),
        (SHORT, "not an RSA key of 1024 bits"),
    ],
    ids=["empty", "html", "damaged", "no-rsa", "short"],
)
async def test_what_is_no_certificate_to_trust_is_refused(pem: bytes, words: str) -> None:
    clock = Clock()
    clock.now += 20 * 86400
    with pytest.raises(Refused, match=f"is no certificate to check a signature with: .*{words}") as caught:
        await Certificates(publishing({URL: pem}), clock).key(URL)
    assert (caught.value.status, caught.value.reason) == (403, "CertificateNotTrusted")


@pytest.mark.parametrize("until", [NOW - 1, NOW + 31 * 86400])
async def test_a_certificate_out_of_its_time_is_refused(issuer: Issuer, until: float) -> None:
    page = certificate(issuer.key, until=until)
    with pytest.raises(Refused, match="valid until"):
        await Certificates(publishing({URL: page}), Clock()).key(URL)
