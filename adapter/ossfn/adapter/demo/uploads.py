"""Set up the store's buckets and do the story's steps to them."""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

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


def do_step(s3: Any, step: Step, files: Mapping[str, bytes], asking: Callable[[], None]) -> None:
    """Do it; `asking` is called when the request that makes or removes the object is about to be sent."""
    target = {"Bucket": UPLOADS, "Key": step.key}
    match step.verb:
        case "put":
            asking()
            s3.put_object(**target, Body=files[step.source])
        case "copy":
            asking()
            s3.copy_object(**target, CopySource={"Bucket": UPLOADS, "Key": step.source})
        case "delete":
            asking()
            s3.delete_object(**target)
        case "multipart":
            upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
            parts = _put_parts(s3, upload, files[step.source])
            asking()
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        case _:
            assert_never(step.verb)


def _put_parts(s3: Any, upload: Mapping[str, str], content: bytes) -> list[dict[str, Any]]:
    parts = []
    for number, start in enumerate(range(0, len(content), PART_BYTES), start=1):
        part = s3.upload_part(**upload, PartNumber=number, Body=content[start : start + PART_BYTES])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    return parts
