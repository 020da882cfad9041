"""Made-up records of stores that send a shape of their own, and the S3 record that ossfn makes of each. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote_plus

from ossfn.functions.example import ETAG, NAMES, Example

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a store sends, and what ossfn understands of it."""

    source: str
    """`eventSource` of the S3 record."""
    region: str
    time: str
    original: Json
    principal: str = ""
    owner: str = ""
    configuration: str = "example"
    known: Json = field(default_factory=dict)
    """Members of the S3 record's `object` beside the key."""


def jd(example: Example) -> Foreign:
    """JD Cloud OSS, "Callback Notification"."""
    account = {"principalId": "104064078905"}
    original = {
        "eventVersion": "1.0",
        "eventSource": "oss",
        "awsRegion": "cn-north-1",
        "eventTime": format_datetime(example.moment.astimezone(UTC), usegmt=True),
        "eventName": f"s3:{NAMES[example.happening]}",
        "userIdentity": account,
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": example.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "example",
            "bucket": {"name": example.bucket, "ownerIdentity": account},
            "object": {"key": example.key, "eTag": ETAG},
        },
        "callBackVar": {"callBackVars": {}},
    }
    who = account["principalId"]
    return Foreign("oss", "cn-north-1", _seconds(example), original, who, who, known={"eTag": ETAG})


def aliyun(example: Example) -> Foreign:
    """Alibaba Cloud OSS, "Event notification"."""
    kind, _, deed = NAMES[example.happening].partition(":")
    thing = {"deltaSize": example.size, "eTag": ETAG, "key": example.key, "size": example.size}
    bucket = {"arn": f"acs:oss:cn-hangzhou:1:{example.bucket}", "name": example.bucket, "ownerIdentity": "1"}
    original = {
        "eventName": f"{kind}:{deed}" if deed == "CompleteMultipartUpload" else f"{kind}:{deed}Object",
        "eventSource": "acs:oss",
        "eventTime": example.time,
        "eventVersion": "1.0",
        "oss": {"bucket": bucket, "object": thing, "ossSchemaVersion": "1.0", "ruleId": "example"},
        "region": "cn-hangzhou",
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"requestId": example.request_id},
        "userIdentity": {"principalId": "1"},
    }
    return Foreign("acs:oss", "cn-hangzhou", example.time, original, "1", known={"size": example.size, "eTag": ETAG})


def tencent(example: Example) -> Foreign:
    """Tencent Cloud COS, "Event notification" as its Serverless Cloud Function gets it."""
    name, _, appid = example.bucket.rpartition("-")
    kind, _, deed = NAMES[example.happening].partition(":")
    meta = {"x-cos-request-id": example.request_id, "Content-Type": "image/jpeg", "ETag": f'"{ETAG}"'}
    bucket = {"name": name, "appid": appid} if name and appid.isdecimal() else {"name": example.bucket, "appid": ""}
    path = f"/{bucket['appid']}/{bucket['name']}/{example.key}"
    original = {
        "cos": {
            "cosSchemaVersion": "1.0",
            "cosObject": {"url": "", "meta": meta, "key": path, "vid": "", "size": example.size},
            "cosBucket": {**bucket, "region": "bj", "cosRegion": "ap-beijing"},
            "cosNotificationId": "example",
        },
        "event": {
            "eventName": f"cos:{kind.replace('Removed', 'Remove')}:{deed}",
            "eventVersion": "1.0",
            "eventTime": int(example.moment.timestamp()),
            "eventSource": "qcs::cos",
            "requestParameters": {"requestSourceIP": "127.0.0.1", "requestHeaders": {"Authorization": "…"}},
        },
    }
    known = {"size": example.size, "eTag": ETAG, "contentType": "image/jpeg"}
    return Foreign("qcs::cos", "ap-beijing", _seconds(example), original, known=known)


FOREIGN: dict[str, Callable[[Example], Foreign]] = {"jd": jd, "aliyun": aliyun, "tencent": tencent}


def posted(example: Example) -> Json:
    """The body that such a store posts."""
    original = FOREIGN[example.store](example).original
    return {"events" if example.store == "aliyun" else "Records": [original]}


def made_record(example: Example) -> Json:
    """The S3 record that ossfn makes; its key is form-encoded as Amazon's."""
    foreign = FOREIGN[example.store](example)
    return {
        "eventVersion": "2.1",
        "eventSource": foreign.source,
        "awsRegion": foreign.region,
        "eventTime": foreign.time,
        "eventName": NAMES[example.happening],
        "userIdentity": {"principalId": foreign.principal},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": example.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": foreign.configuration,
            "bucket": {
                "name": example.bucket,
                "ownerIdentity": {"principalId": foreign.owner},
                "arn": f"arn:aws:s3:::{example.bucket}",
            },
            "object": {"key": quote_plus(example.key, safe="/"), **foreign.known},
        },
        "original": foreign.original,
    }


def _seconds(example: Example) -> str:
    return example.moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
