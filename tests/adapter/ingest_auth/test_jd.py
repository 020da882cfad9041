"""Callbacks signed as JD Cloud documents it."""

from base64 import b64encode
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from hashlib import md5 as insecure_md5

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from tests.adapter.ingest_auth.conftest import NOW, Issuer, publishing

from ossfn.adapter.web.ingest_auth import Posted, Refused
from ossfn.adapter.web.ingest_auth.jd import JdGuard, signed_text

URL = "https://certificates.jd.example/x509_public_certificate.pem"
BODY = b'{"Records":[]}'
md5 = partial(insecure_md5, usedforsecurity=False)


def in_base64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def unsigned(body: bytes = BODY, *, url: str = URL, age: float = 0, target: str = "/ingest/jd") -> Posted:
    headers = {
        "host": "ossfn.example",
        "content-md5": in_base64(md5(body).hexdigest()),
        "content-type": "Application/JSON",
        "date": formatdate(NOW - age, usegmt=True),
        "x-jdcloud-request-id": "57458276F0E3D56D7C00054B",
        "x-jdcloud-message-type": "Notification",
        "x-jdcloud-version": "2015-06-06",
        "x-jdcloud-signing-cert-url": in_base64(url + "\n"),
    }
    return Posted("POST", target, headers, body)


def with_headers(posted: Posted, **changes: str) -> Posted:
    return replace(
        posted, headers={**posted.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
    )


def signed(issuer: Issuer, posted: Posted | None = None) -> Posted:
    posted = posted or unsigned()
    return with_headers(posted, authorization=issuer.sign(signed_text(posted), SHA1()))  # noqa: S303 - as JD does


def guard(issuer: Issuer, *, pages: dict[str, bytes] | None = None, visited: list[str] | None = None) -> JdGuard:
    fetch = publishing({URL: issuer.certificate} if pages is None else pages, visited)
    return JdGuard(fetch, ["https://certificates.jd.example"], 900, lambda: NOW)


async def refusal(guard: JdGuard, posted: Posted) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await guard.check(posted)
    return caught.value.status, caught.value.reason


def test_the_text_of_the_documented_example() -> None:
    headers = {
        "x-jdcloud-version": "2015-06-06",
        "date": "Wed, 25 May 2016 10:46:14 GMT",
        "content-type": "text/xml;charset=UTF-8",
        "x-jdcloud-signing-cert-url": in_base64(
            "http://nstest.oss.cn-north-1.jcloudcs.com/x509_public_certificate.pem\n"
        ),
        "content-md5": "ZDgxNjY5ZjFlMDQ5MGM0YWMwMWE5ODlmZDVlYmQxYjI=",
        "x-jdcloud-request-id": "57458276F0E3D56D7C00054B",
        "user-agent": "x",
    }
    assert signed_text(Posted("POST", "/notifications", headers, b"")) == (
        b"POST\n"
        b"ZDgxNjY5ZjFlMDQ5MGM0YWMwMWE5ODlmZDVlYmQxYjI=\n"
        b"text/xml;charset=utf-8\n"
        b"Wed, 25 May 2016 10:46:14 GMT\n"
        b"x-jdcloud-request-id:57458276F0E3D56D7C00054B\n"
        b"x-jdcloud-signing-cert-url:"
        b"aHR0cDovL25zdGVzdC5vc3MuY24tbm9ydGgtMS5qY2xvdWRjcy5jb20veDUwOV9wdWJsaWNfY2VydGlmaWNhdGUucGVtCg==\n"
        b"x-jdcloud-version:2015-06-06\n"
        b"/notifications"
    )


def test_what_is_missing_is_an_empty_line() -> None:
    assert signed_text(Posted("POST", "/n?a=b", {}, b"")) == b"POST\n\n\n\n/n?a=b"


async def test_what_jd_signed_is_let_in_and_its_certificate_fetched_once(issuer: Issuer) -> None:
    visited: list[str] = []
    one = guard(issuer, visited=visited)
    await one.check(signed(issuer))
    await one.check(signed(issuer, unsigned(b'{"Records":[1]}', age=800)))
    assert visited == [URL]


async def test_a_content_md5_as_the_rfc_has_it_will_do(issuer: Issuer) -> None:
    posted = with_headers(unsigned(), content_md5=in_base64(md5(BODY).digest()))
    await guard(issuer).check(signed(issuer, posted))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"date": formatdate(NOW - 901, usegmt=True)}, "DateNotAccepted"),
        ({"date": formatdate(NOW + 901, usegmt=True)}, "DateNotAccepted"),
        ({"date": ""}, "DateNotAccepted"),
        ({"date": "yesterday"}, "DateNotAccepted"),
        ({"content_md5": ""}, "BodyDoesNotMatch"),
        ({"content_md5": in_base64(md5(b"other").hexdigest())}, "BodyDoesNotMatch"),
        ({"x_jdcloud_signing_cert_url": ""}, "CertificateNotTrusted"),
        ({"x_jdcloud_signing_cert_url": URL}, "CertificateNotTrusted"),
        (
            {"x_jdcloud_signing_cert_url": in_base64("https://evil.example/x509_public_certificate.pem")},
            "CertificateNotTrusted",
        ),
        (
            {"x_jdcloud_signing_cert_url": in_base64("https://certificates.jd.example.evil.example/")},
            "CertificateNotTrusted",
        ),
        (
            {"x_jdcloud_signing_cert_url": in_base64("https://certificates.jd.example@evil.example/")},
            "CertificateNotTrusted",
        ),
        ({"x_jdcloud_signing_cert_url": in_base64("https://certificates.jd.example:8443/")}, "CertificateNotTrusted"),
        ({"x_jdcloud_signing_cert_url": in_base64(URL.replace("https", "http"))}, "CertificateNotTrusted"),
        ({"x_jdcloud_signing_cert_url": in_base64("http://x.example:port/")}, "CertificateNotTrusted"),
    ],
)
async def test_what_must_not_be_trusted_is_refused_though_it_is_signed(
    issuer: Issuer, change: dict[str, str], reason: str
) -> None:
    visited: list[str] = []
    posted = signed(issuer, with_headers(unsigned(), **change))
    assert await refusal(guard(issuer, visited=visited), posted) == (403, reason)
    assert visited == []


async def test_what_was_changed_or_signed_by_another_is_refused(issuer: Issuer, stranger: Issuer) -> None:
    good = signed(issuer)
    wrong = [
        signed(stranger),
        replace(good, target="/ingest/other"),
        replace(good, method="PUT"),
        with_headers(good, x_jdcloud_message_type="SubscriptionConfirmation"),
        with_headers(good, x_jdcloud_more="1"),
        with_headers(good, content_type="text/plain"),
        with_headers(good, date=formatdate(NOW - 1, usegmt=True)),
        with_headers(good, authorization=""),
        with_headers(good, authorization="no base64"),
        with_headers(good, authorization=issuer.sign(signed_text(good), SHA256())),
    ]
    for posted in wrong:
        assert await refusal(guard(issuer), posted) == (403, "SignatureDoesNotMatch")
    assert await refusal(guard(issuer), replace(good, body=BODY + b" ")) == (403, "BodyDoesNotMatch")


async def test_no_certificate_at_the_moment_is_not_the_senders_fault(issuer: Issuer) -> None:
    assert await refusal(guard(issuer, pages={}), signed(issuer)) == (503, "CertificateUnavailable")
