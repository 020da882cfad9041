"""Made-up events that look as if a real store had sent them: its notification, and what a function gets of it. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal, get_args
from urllib.parse import quote_plus

Store = Literal["aws", "minio", "ceph", "jd"]
Happening = Literal["put", "post", "copy", "multipart", "delete"]
STORES: tuple[Store, ...] = get_args(Store)
HAPPENINGS: tuple[Happening, ...] = get_args(Happening)

_NAMES: dict[Happening, str] = {
    "put": "ObjectCreated:Put",
    "post": "ObjectCreated:Post",
    "copy": "ObjectCreated:Copy",
    "multipart": "ObjectCreated:CompleteMultipartUpload",
    "delete": "ObjectRemoved:Delete",
}
_ETAG = "6f5902ac237024bdd0c176cb93063dc4"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What shall have happened. `number` tells it from the others, and a later one has the higher number."""

    store: Store = "minio"
    happening: Happening = "put"
    bucket: str = "photos"
    key: str = "cats/猫 1.jpg"
    size: int = 24576
    """Bytes."""
    moment: datetime = datetime(2026, 11, 22, 15, 57, 35, 565000, UTC)
    number: int = 1

    @property
    def time(self) -> str:
        """RFC 3339 to the millisecond."""
        return self.moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def request_id(self) -> str:
        """Made of the number."""
        return f"18EA{self.number:012X}"


def notification(example: Example) -> Json:
    """The body that the store posts."""
    if example.store == "jd":
        return {"Records": [_jd_record(example)]}
    record = _record(example)
    if example.store != "minio":
        return {"Records": [record]}
    return {"EventName": record["eventName"], "Key": f"{example.bucket}/{example.key}", "Records": [record]}


def cloud_event(example: Example, *, rule: str = "example") -> Json:
    """The structured CloudEvent that ossfn sends to a function for it."""
    record = _made_from_jd(example) if example.store == "jd" else _record(example)
    named: Json = {
        "specversion": "1.0",
        "id": f"{example.request_id}.{example.number}",
        "source": f"{record['eventSource']}.{record['awsRegion']}.{example.bucket}",
        "type": f"com.amazonaws.s3.{_NAMES[example.happening]}",
        "subject": example.key,
        "datacontenttype": "application/json",
        "partitionkey": f"{example.bucket}/{example.key}",
        "ossrule": rule,
        "ossgeneration": 1,
        "osshops": 0,
        "time": record["eventTime"],
    }
    if sequencer := record["s3"]["object"].get("sequencer"):
        named["sequencer"] = sequencer.ljust(32, "0")
    return {**named, "data": record}


def _record(example: Example) -> Json:
    """The S3 record in this store's own spelling."""
    name, encoded = _NAMES[example.happening], quote_plus(example.key, safe="" if example.store == "minio" else "/")
    response = {"x-amz-request-id": example.request_id}
    match example.store:
        case "minio":
            version, region, name, key = "2.0", "", f"s3:{name}", encoded
            response = {"content-length": "0", **response, "x-minio-origin-endpoint": "http://127.0.0.1:9000"}
        case "ceph":
            version, region, key = "2.2", "", example.key
            response["x-amz-id-2"] = "1008-default-default"
        case _:
            version, region, key = "2.1", "us-east-1", encoded
            response["x-amz-id-2"] = "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYB"
    owner = {"principalId": "owner"}
    return {
        "eventVersion": version,
        "eventSource": f"{example.store}:s3",
        "awsRegion": region,
        "eventTime": example.time,
        "eventName": name,
        "userIdentity": owner,
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": response,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "example",
            "bucket": {"name": example.bucket, "ownerIdentity": owner, "arn": f"arn:aws:s3:::{example.bucket}"},
            "object": {"key": key, **_content(example), "sequencer": example.request_id},
        },
    }


def _content(example: Example) -> Json:
    return {} if example.happening == "delete" else {"size": example.size, "eTag": _ETAG}


def _jd_record(example: Example) -> Json:
    """JD Cloud OSS, "Callback Notification"."""
    return {
        "eventVersion": "1.0",
        "eventSource": "oss",
        "awsRegion": "cn-north-1",
        "eventTime": format_datetime(example.moment.astimezone(UTC), usegmt=True),
        "eventName": f"s3:{_NAMES[example.happening]}",
        "userIdentity": {"principalId": "104064078905"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": example.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "example",
            "bucket": {"name": example.bucket, "ownerIdentity": {"principalId": "104064078905"}},
            "object": {"key": example.key, "eTag": _ETAG},
        },
        "callBackVar": {"callBackVars": {}},
    }


def _made_from_jd(example: Example) -> Json:
    """The S3 record that ossfn makes of JD's; the key is form-encoded as Amazon's."""
    original = _jd_record(example)
    seconds = example.moment.astimezone(UTC).replace(microsecond=0)
    s3 = original["s3"]
    bucket = {**s3["bucket"], "arn": f"arn:aws:s3:::{example.bucket}"}
    thing = {**s3["object"], "key": quote_plus(example.key, safe="/")}
    return {
        **{name: value for name, value in original.items() if name != "callBackVar"},
        "eventVersion": "2.1",
        "eventTime": seconds.isoformat().replace("+00:00", "Z"),
        "eventName": _NAMES[example.happening],
        "s3": {**s3, "bucket": bucket, "object": thing},
        "original": original,
    }
