"""Signature Version 4: botocore signs, we check, and whatever is changed on the way is noticed."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.s3_errors import S3Error
from ossfn.trigger_registry.sigv4 import Request, check, claimed

KEY, SECRET = "AKEXAMPLE", "s3cr3t/with+signs"
BODY = b"<NotificationConfiguration/>"


def received(signed: AWSRequest, body: bytes = BODY) -> Request:
    """What a server gets of a request that botocore signed."""
    url = urlsplit(signed.url)
    headers = {name.lower(): value for name, value in signed.headers.items()} | {"host": url.netloc}
    return Request(signed.method, url.path, url.query, tuple(headers.items()), body)


def by_header(path: str = "/photos?notification", headers: dict[str, str] | None = None, body: bytes = BODY) -> Request:
    request = AWSRequest("PUT", f"http://127.0.0.1:8451{path}", data=body, headers=headers or {})
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "cn-north-1").add_auth(request)
    return received(request, body)


def by_query(path: str = "/photos?notification", seconds: int = 60) -> Request:
    request = AWSRequest("PUT", f"http://127.0.0.1:8451{path}")
    S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", "cn-north-1", seconds).add_auth(request)
    return received(request)


def with_header(request: Request, name: str, value: str) -> Request:
    return replace(request, headers=tuple({**dict(request.headers), name: value}.items()))


def without_header(request: Request, name: str) -> Request:
    return replace(request, headers=tuple(header for header in request.headers if header[0] != name))


def verify(request: Request, *, secret: str = SECRET, seconds_later: float = 0) -> str:
    claim = claimed(request)
    check(request, claim, secret, claim.at.timestamp() + seconds_later)
    return claim.access_key


def refusal(request: Request, **how: Any) -> S3Error:
    with pytest.raises(S3Error) as caught:
        verify(request, **how)
    return caught.value


@pytest.mark.parametrize("signed", [by_header, by_query])
@pytest.mark.parametrize(
    "path", ["/photos?notification", "/", "/a%20b/%E5%9B%BE~?location=", "/photos?x=a%2Fb&a=1&a=0"]
)
def test_what_botocore_signs_holds(signed: Callable[[str], Request], path: str) -> None:
    assert verify(signed(path)) == KEY


@given(st.text(min_size=1, max_size=20), st.dictionaries(st.text(min_size=1), st.text(), max_size=3))
def test_any_path_and_query(key: str, query: dict[str, str]) -> None:
    encoded = "&".join(f"{_percent(name)}={_percent(value)}" for name, value in query.items())
    assert verify(by_header(f"/{_percent(key)}?{encoded}")) == KEY


def _percent(text: str) -> str:
    """Every byte escaped, but those that a signer must leave alone."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def test_a_client_may_escape_less_or_more_than_it_signs() -> None:
    request = by_query()
    assert verify(replace(request, query=request.query.replace("%2F", "/"), path="/phot%6Fs")) == KEY


@pytest.mark.parametrize("signed", [by_header, by_query])
@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, method="DELETE"),
        lambda request: replace(request, path="/other"),
        lambda request: replace(request, query=request.query + "&x-id=1"),
        lambda request: with_header(request, "host", "evil.example"),
    ],
)
def test_what_is_changed_on_the_way_is_noticed(
    signed: Callable[[], Request], change: Callable[[Request], Request]
) -> None:
    assert refusal(change(signed())).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signed", [by_header, by_query])
def test_wrong_secret(signed: Callable[[], Request]) -> None:
    error = refusal(signed(), secret="other")
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    fields = dict(error.fields)
    assert fields["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert fields["CanonicalRequest"].startswith("PUT\n/photos\n")
    assert "other" not in str(fields)


@pytest.mark.parametrize("name", ["x-amz-skip-destination-validation", "x-amz-content-sha256"])
def test_what_changes_the_meaning_must_be_signed(name: str) -> None:
    error = refusal(with_header(by_query(), name, "true"))
    assert (error.code, dict(error.fields)) == ("AccessDenied", {"HeadersNotSigned": name})


def test_the_host_must_be_signed() -> None:
    request = by_header()
    headers = [(name, value.replace("host;", "")) for name, value in request.headers]
    assert dict(refusal(replace(request, headers=tuple(headers))).fields) == {"HeadersNotSigned": "host"}


@pytest.mark.parametrize("seconds", [-901, 901])
def test_clock_skew(seconds: int) -> None:
    error = refusal(by_header(), seconds_later=seconds)
    assert (error.code, error.status) == ("RequestTimeTooSkewed", 403)
    assert dict(error.fields)["MaxAllowedSkewMilliseconds"] == "900000"
    assert verify(by_header(), seconds_later=seconds // 901 * 899) == KEY


def test_presigned_urls_expire() -> None:
    assert verify(by_query(seconds=3600), seconds_later=3599) == KEY
    error = refusal(by_query(seconds=3600), seconds_later=3601)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert refusal(by_query(), seconds_later=-901).message == "Request is not valid yet"


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1, 10**30])
def test_presigned_urls_last_a_week_at_most(seconds: int) -> None:
    assert refusal(by_query(seconds=seconds)).code == "AuthorizationQueryParametersError"


def test_another_body() -> None:
    error = refusal(replace(by_header(), body=b"other"))
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert dict(error.fields)["S3ComputedContentSHA256"] == hashlib.sha256(b"other").hexdigest()


def resigned(request: Request, payload: str | None) -> Request:
    """The same request with another payload named, signed again."""
    signed = AWSRequest(request.method, f"http://127.0.0.1:8451{request.path}?{request.query}", data=request.body)
    signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", "cn-north-1")
    signed.context["timestamp"] = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed.headers["X-Amz-Date"] = signed.context["timestamp"]
    if payload is not None:
        signed.headers["X-Amz-Content-SHA256"] = payload
    to_sign = signer.string_to_sign(signed, signer.canonical_request(signed))
    signer._inject_signature_to_request(signed, signer.signature(to_sign, signed))
    return received(signed)


def test_payloads() -> None:
    assert verify(resigned(by_header(), "UNSIGNED-PAYLOAD")) == KEY
    assert verify(resigned(by_header(), None)) == KEY, "without the header, the body itself is signed"
    tampered = replace(resigned(by_header(), None), body=b"other")
    assert refusal(tampered).code == "SignatureDoesNotMatch"
    for streaming in ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        error = refusal(resigned(by_header(), streaming))
        assert (error.code, error.status, streaming in error.message) == ("NotImplemented", 501, True)
    assert refusal(resigned(by_header(), "nonsense")).code == "InvalidArgument"


@pytest.mark.parametrize(
    ("digest", "code"),
    [
        (base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode(), None),
        (base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode(), "BadDigest"),
        ("not base64!", "InvalidDigest"),
        (base64.b64encode(b"short").decode(), "InvalidDigest"),
    ],
)
def test_content_md5(digest: str, code: str | None) -> None:
    request = by_header(headers={"Content-MD5": digest})
    if code is None:
        assert verify(request) == KEY
    else:
        assert refusal(request).code == code


def bare(query: str = "", **headers: str) -> Request:
    return Request("GET", "/photos", query, tuple(headers.items()))


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (bare(), "AccessDenied", "Access Denied"),
        (bare(authorization="AWS AKEXAMPLE:c2ln"), "InvalidRequest", "Please use AWS4-HMAC-SHA256"),
        (bare("AWSAccessKeyId=A&Signature=s&Expires=1"), "InvalidRequest", "Please use AWS4-HMAC-SHA256"),
        (bare(authorization="Bearer x"), "InvalidRequest", "Please use AWS4-HMAC-SHA256"),
        (bare(authorization="AWS4-HMAC-SHA256 x"), "AuthorizationHeaderMalformed", "Credential is missing"),
        (bare("X-Amz-Algorithm=AWS4-HMAC-SHA256"), "AuthorizationQueryParametersError", "X-Amz-Credential"),
        (bare("X-Amz-Algorithm=other"), "InvalidRequest", "Please use AWS4-HMAC-SHA256"),
    ],
)
def test_no_version_4_signature(request_: Request, code: str, words: str) -> None:
    error = refusal(request_)
    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("/s3/", "/sqs/", "AuthorizationHeaderMalformed"),
        ("aws4_request", "aws5_request", "AuthorizationHeaderMalformed"),
        ("/cn-north-1", "", "AuthorizationHeaderMalformed"),
        ("/cn-north-1/", "/us-east-1/", "SignatureDoesNotMatch"),
        ("Signature=", "Signature=é", "SignatureDoesNotMatch"),
    ],
)
def test_credential_scope(old: str, new: str, code: str) -> None:
    request = by_header()
    authorization = dict(request.headers)["authorization"].replace(old, new)
    assert refusal(with_header(request, "authorization", authorization)).code == code


def test_dates() -> None:
    request = by_header()
    assert refusal(without_header(request, "x-amz-date")).code == "AccessDenied"
    assert refusal(with_header(request, "x-amz-date", "yesterday")).code == "AccessDenied"
    millennia = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
    assert refusal(with_header(without_header(request, "x-amz-date"), "date", millennia)).code == "AccessDenied"
    other_day = with_header(request, "x-amz-date", "20200101T000000Z")
    assert refusal(other_day).code == "AuthorizationHeaderMalformed"
    at = claimed(request).at
    dated = with_header(without_header(request, "x-amz-date"), "date", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert claimed(dated).at == at
