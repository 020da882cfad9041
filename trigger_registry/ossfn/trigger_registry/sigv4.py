"""Who signed a request: Signature Version 4, in a header or in a presigned URL, checked with botocore's own signer."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, unquote_to_bytes

from botocore.auth import UNSIGNED_PAYLOAD, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from ossfn.trigger_registry.s3_errors import S3Error

MAX_SKEW = timedelta(minutes=15)
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600

_ALGORITHM = "AWS4-HMAC-SHA256"
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came; header names are lower case, path and query still percent-encoded."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that (lower case) name."""
        return next((value for given, value in self.headers if given == name), None)

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query, decoded, in order; `?notification` is ("notification", "")."""
        pairs = (pair.partition("=") for pair in self.query.split("&") if pair)
        return [(unquote(name), unquote(value)) for name, _, value in pairs]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about its signature, from the header or from the query; nothing of it is proven."""

    access_key: str
    region: str
    signed_headers: frozenset[str]
    signature: str
    at: datetime
    payload: str
    """What stands for the body in the signature: its SHA-256, or UNSIGNED-PAYLOAD."""
    expires_seconds: int | None = None
    """Only a presigned URL has it."""


def claimed(request: Request) -> Claim:
    """Who says to have signed. Raises S3Error: nobody does, in another way than version 4, or in no readable one."""
    authorization = request.header("authorization")
    parameters = dict(request.parameters)
    if authorization is not None:
        if authorization.startswith(f"{_ALGORITHM} "):
            return _header_claim(request, authorization)
        raise _not_version_4()
    if parameters.get("X-Amz-Algorithm") == _ALGORITHM:
        return _query_claim(request, parameters)
    if {"AWSAccessKeyId", "X-Amz-Algorithm"} & parameters.keys():
        raise _not_version_4()
    raise S3Error("AccessDenied")


def check(request: Request, claim: Claim, secret: str, now: float) -> None:
    """Hold the claim against the secret of its access key; `now` is Unix time in seconds.

    Raises S3Error: signed wrongly, too long ago, or for another body.
    """
    _check_time(claim, datetime.fromtimestamp(now, UTC))
    _check_signed(request, claim)
    _check_signature(request, claim, secret)
    _check_body(request, claim)


def _not_version_4() -> S3Error:
    message = f"The authorization mechanism you have provided is not supported. Please use {_ALGORITHM}."
    return S3Error("InvalidRequest", message)


def _header_claim(request: Request, authorization: str) -> Claim:
    parts = (part.strip().partition("=") for part in authorization.removeprefix(_ALGORITHM).split(","))
    given = {name: value for name, _, value in parts}
    try:
        credential, signed, signature = given["Credential"], given["SignedHeaders"], given["Signature"]
    except KeyError as missing:
        message = f"The authorization header is malformed; {missing.args[0]} is missing."
        raise S3Error("AuthorizationHeaderMalformed", message) from None
    payload = request.header("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    at = _header_time(request)
    access_key, region = _scope(credential, at, "AuthorizationHeaderMalformed")
    return Claim(access_key, region, frozenset(signed.split(";")), signature, at, payload)


def _query_claim(request: Request, parameters: dict[str, str]) -> Claim:
    code = "AuthorizationQueryParametersError"
    names = ("Credential", "SignedHeaders", "Signature", "Date", "Expires")
    try:
        credential, signed, signature, date, expires = (parameters[f"X-Amz-{name}"] for name in names)
        at = datetime.strptime(date, _TIMESTAMP).replace(tzinfo=UTC)
        seconds = int(expires)
    except KeyError as missing:
        raise S3Error(code, f"A presigned URL needs the query parameter {missing.args[0]}.") from None
    except ValueError:
        raise S3Error(code, "X-Amz-Date must look like 20260131T235959Z, X-Amz-Expires must be a number.") from None
    if not 0 < seconds <= MAX_PRESIGNED_SECONDS:
        raise S3Error(code, f"X-Amz-Expires must be between 1 and {MAX_PRESIGNED_SECONDS} seconds.")
    access_key, region = _scope(credential, at, code)
    payload = request.header("x-amz-content-sha256") or parameters.get("X-Amz-Content-Sha256", UNSIGNED_PAYLOAD)
    return Claim(access_key, region, frozenset(signed.split(";")), signature, at, payload, seconds)


def _scope(credential: str, at: datetime, code: str) -> tuple[str, str]:
    """Access key and region of `KEY/20260131/REGION/s3/aws4_request`; the region may be any."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"] or parts[1] != f"{at:%Y%m%d}":
        message = f"The credential must be ACCESS-KEY/{at:%Y%m%d}/REGION/s3/aws4_request, not {credential}."
        raise S3Error(code, message)
    return parts[0], parts[2]


def _header_time(request: Request) -> datetime:
    try:
        if (stamp := request.header("x-amz-date")) is not None:
            return datetime.strptime(stamp, _TIMESTAMP).replace(tzinfo=UTC)
        return parsedate_to_datetime(request.header("date") or "").replace(tzinfo=UTC)  # HTTP's dates are all GMT
    except (ValueError, OverflowError):  # the latter for an offset of millennia
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None


def _check_time(claim: Claim, now: datetime) -> None:
    if claim.expires_seconds is None:
        if abs(now - claim.at) > MAX_SKEW:
            raise _skewed(claim, now)
        return
    if claim.at - now > MAX_SKEW:
        raise S3Error("AccessDenied", "Request is not valid yet")
    end = claim.at + timedelta(seconds=claim.expires_seconds)
    if now > end:
        fields = [("X-Amz-Expires", str(claim.expires_seconds)), ("Expires", _iso(end)), ("ServerTime", _iso(now))]
        raise S3Error("AccessDenied", "Request has expired", fields=fields)


def _skewed(claim: Claim, now: datetime) -> S3Error:
    allowed = str(MAX_SKEW // timedelta(milliseconds=1))
    fields = [("RequestTime", _iso(claim.at)), ("ServerTime", _iso(now)), ("MaxAllowedSkewMilliseconds", allowed)]
    return S3Error("RequestTimeTooSkewed", fields=fields)


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _check_signed(request: Request, claim: Claim) -> None:
    """Whatever changes what the request means must be under the signature."""
    given = {name for name, _ in request.headers}
    loose = sorted({"host", *(name for name in given if name.startswith("x-amz-"))} - claim.signed_headers)
    if loose:
        message = "There were headers present in the request which were not signed"
        raise S3Error("AccessDenied", message, fields=[("HeadersNotSigned", ", ".join(loose))])


def _check_signature(request: Request, claim: Claim, secret: str) -> None:
    signer = _Verifier(Credentials(claim.access_key, secret), "s3", claim.region)
    signed = AWSRequest(method=request.method, url=f"http://ossfn{_canonical_path(request.path)}")
    signed.params = [(name, value) for name, value in request.parameters if name != "X-Amz-Signature"]
    signed.context = {"claim": claim, "request": request, "timestamp": claim.at.strftime(_TIMESTAMP)}
    canonical = signer.canonical_request(signed)
    to_sign = signer.string_to_sign(signed, canonical)
    signature = signer.signature(to_sign, signed)
    if not hmac.compare_digest(signature.encode(), claim.signature.encode()):
        fields = [
            ("AWSAccessKeyId", claim.access_key),
            ("StringToSign", to_sign),
            ("SignatureProvided", claim.signature),
            ("CanonicalRequest", canonical),
        ]
        raise S3Error("SignatureDoesNotMatch", fields=fields)


def _canonical_path(path: str) -> str:
    """Encoded once more in S3's way: a client may send `~` or `%7E`, but signs `~`."""
    return "/".join(quote(unquote_to_bytes(part), safe="~") for part in path.split("/"))


class _Verifier(S3SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """botocore's canonical request, of exactly the headers that the client signed and of the payload that it named."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        claim: Claim = request.context["claim"]
        received: Request = request.context["request"]
        headers = HTTPHeaders()
        for name, value in received.headers:
            if name in claim.signed_headers:
                headers[name] = value
        return headers

    def payload(self, request: AWSRequest) -> str:
        claim: Claim = request.context["claim"]
        return claim.payload


def _check_body(request: Request, claim: Claim) -> None:
    computed = hashlib.sha256(request.body).hexdigest()
    if _SHA256.fullmatch(claim.payload):
        if not hmac.compare_digest(claim.payload, computed):
            fields = [("ClientComputedContentSHA256", claim.payload), ("S3ComputedContentSHA256", computed)]
            raise S3Error("XAmzContentSHA256Mismatch", fields=fields)
    elif claim.payload.startswith("STREAMING-"):
        message = f"{claim.payload} is not read here: send the document in one piece, signed or UNSIGNED-PAYLOAD."
        raise S3Error("NotImplemented", message)
    elif claim.payload != UNSIGNED_PAYLOAD:
        message = f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, or a valid sha256 value."
        raise S3Error("InvalidArgument", message)
    _check_md5(request)


def _check_md5(request: Request) -> None:
    given = request.header("content-md5")
    if given is None:
        return
    try:
        expected = base64.b64decode(given, validate=True)
    except binascii.Error:
        expected = b""
    if len(expected) != 16:
        raise S3Error("InvalidDigest", fields=[("Content-MD5", given)])
    computed = hashlib.md5(request.body, usedforsecurity=False).digest()
    if computed != expected:
        fields = [("ExpectedDigest", given), ("CalculatedDigest", base64.b64encode(computed).decode())]
        raise S3Error("BadDigest", fields=fields)
