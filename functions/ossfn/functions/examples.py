"""Made-up events that look as if a real store had sent them: its notification, and what a function gets of it. Pure."""

from typing import Any
from urllib.parse import quote_plus

from ossfn.functions.example import ETAG, HAPPENINGS, NAMES, STORES, Example, Happening, Store
from ossfn.functions.example_shapes import FOREIGN, made_record, posted

__all__ = ["HAPPENINGS", "STORES", "Example", "Happening", "Store", "cloud_event", "notification"]

Json = dict[str, Any]


def notification(example: Example) -> Json:
    """The body that the store posts."""
    if example.store in FOREIGN:
        return posted(example)
    record = _record(example)
    if example.store != "minio":
        return {"Records": [record]}
    return {"EventName": record["eventName"], "Key": f"{example.bucket}/{example.key}", "Records": [record]}


def cloud_event(example: Example, *, rule: str = "example") -> Json:
    """The structured CloudEvent that ossfn sends to a function for it."""
    record = made_record(example) if example.store in FOREIGN else _record(example)
    named: Json = {
        "specversion": "1.0",
        "id": f"{example.request_id}.{example.number}",
        "source": f"{record['eventSource']}.{record['awsRegion']}.{example.bucket}",
        "type": f"com.amazonaws.s3.{NAMES[example.happening]}",
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
    name, encoded = NAMES[example.happening], quote_plus(example.key, safe="" if example.store == "minio" else "/")
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
    return {} if example.happening == "delete" else {"size": example.size, "eTag": ETAG}
