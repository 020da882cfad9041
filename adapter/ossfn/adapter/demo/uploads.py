"""Set up the store's buckets and do the story's steps to them, noting when each was asked for."""

import time
from collections.abc import Mapping
from typing import Any

from ossfn.adapter.demo.juicefs import webhook_arn
from ossfn.adapter.demo.story import THUMBS, UPLOADS, Step

PART_BYTES = 5 * 1024 * 1024
"""The least that S3 takes for a part that is not the last."""

WEBHOOK = "OSSFN"


def make_buckets(s3: Any) -> None:
    """Both buckets, whose every creation and removal goes to the gateway's webhook."""
    queue = {"QueueArn": webhook_arn(WEBHOOK), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    for bucket in (UPLOADS, THUMBS):
        s3.create_bucket(Bucket=bucket)
        configuration = {"QueueConfigurations": [queue]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def do_step(s3: Any, step: Step, files: Mapping[str, bytes]) -> float:
    """Do it; the time (Unix seconds) at which the request that completes the object was sent."""
    asked_at = time.time()
    match step.verb:
        case "put":
            s3.put_object(Bucket=UPLOADS, Key=step.key, Body=files[step.source])
        case "copy":
            s3.copy_object(Bucket=UPLOADS, Key=step.key, CopySource={"Bucket": UPLOADS, "Key": step.source})
        case "delete":
            s3.delete_object(Bucket=UPLOADS, Key=step.key)
        case "multipart":
            asked_at = _put_in_parts(s3, step.key, files[step.source])
    return asked_at


def _put_in_parts(s3: Any, key: str, content: bytes) -> float:
    upload = {"Bucket": UPLOADS, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(content), PART_BYTES), start=1):
        part = s3.upload_part(**upload, PartNumber=number, Body=content[start : start + PART_BYTES])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    asked_at = time.time()
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    return asked_at
