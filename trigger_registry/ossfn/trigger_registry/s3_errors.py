"""Errors in S3's words: a code, an HTTP status and an XML body that every S3 client reads."""

from collections.abc import Iterable, Sequence

from ossfn.trigger_registry.errors import Fault, InUse, RegistryError, RegistryUnavailable, RuleRefused
from ossfn.trigger_registry.s3_xml import MALFORMED, declared, element, text_element

# Status and text of each code as Amazon S3 sends them (S3 API reference, "List of error codes").
STANDARD: dict[str, tuple[int, str]] = {
    "AccessDenied": (403, "Access Denied"),
    "AuthorizationHeaderMalformed": (400, "The authorization header is malformed"),
    "AuthorizationQueryParametersError": (400, "Query-string authentication version 4 is malformed"),
    "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
    "BucketAlreadyExists": (409, "The requested bucket name is not available: another owner has it."),
    "BucketAlreadyOwnedByYou": (409, "You have this bucket already."),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header"),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "InvalidRequest": (400, "Invalid Request"),
    "MalformedXML": (400, MALFORMED),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NotImplemented": (501, "A header or query you provided implies functionality that is not implemented."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the current time is too large."),
    "ServiceUnavailable": (503, "The trigger registry cannot be reached now; nothing was changed. Please try again."),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    ),
    "XAmzContentSHA256Mismatch": (400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
}

RETRY_AFTER_SECONDS = 2
FAULTS_LISTED = 100

Fields = Sequence[tuple[str, str]]


class S3Error(Exception):
    """A refusal in S3's words.

    `message` is S3's own for the code unless one is given; the status of a code that is not in our table is 400.
    `fields` become elements of the XML body beside Code and Message; `xml` is more of them, written already.
    """

    def __init__(
        self, code: str, message: str = "", *, fields: Fields = (), headers: Fields = (), xml: str = ""
    ) -> None:
        self.status, standard = STANDARD.get(code, (400, code))
        self.code = code
        self.message = message or standard
        self.fields = tuple(fields)
        self.headers = tuple(headers)
        self.xml = xml
        super().__init__(f"{code}: {self.message}")


def from_registry(error: RegistryError) -> S3Error:
    """What the registry said no to, as S3 would say it."""
    match error:
        case RuleRefused():
            return _refused(error.faults)
        case InUse():
            advice = ("Advice", "Put an empty NotificationConfiguration first.")
            return S3Error("BucketNotEmpty", fields=[*(("Rule", name) for name in error.users), advice])
        case RegistryUnavailable():
            return S3Error(error.code, headers=[("Retry-After", str(RETRY_AFTER_SECONDS))])
        case _:
            return S3Error(error.code)


def render(error: S3Error, *, resource: str, request_id: str, host_id: str) -> bytes:
    """The body: Amazon's elements, with JD Cloud's statusCode before them."""
    fields = [
        ("statusCode", str(error.status)),
        ("Code", error.code),
        ("Message", error.message),
        *error.fields,
    ]
    ends = [("Resource", resource), ("RequestId", request_id), ("HostId", host_id)]
    return declared(element("Error", _elements(fields), error.xml, _elements(ends)))


def _refused(faults: Sequence[Fault]) -> S3Error:
    """The first fault is the error, as on S3; when there are more, they follow as a list."""
    first = faults[0]
    others = element("Faults", *map(_listed, faults[:FAULTS_LISTED])) if len(faults) > 1 else ""
    return S3Error(first.code, first.message, fields=_fault_fields(first), xml=others)


def _fault_fields(fault: Fault) -> list[tuple[str, str]]:
    named = [("Rule", fault.rule), ("OtherRule", fault.other_rule), ("Advice", fault.advice)]
    witness = [] if fault.witness is None else [("WitnessKey", fault.witness)]
    return [*fault.arguments, *((name, value) for name, value in named if value), *witness]


def _listed(fault: Fault) -> str:
    fields = [("Code", fault.code), ("Message", fault.message), ("Field", fault.field), ("Value", fault.value)]
    return element("Fault", _elements(fields), _elements(_fault_fields(fault)))


def _elements(fields: Iterable[tuple[str, str]]) -> str:
    return "".join(text_element(name, value) for name, value in fields)
