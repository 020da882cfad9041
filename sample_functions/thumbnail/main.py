"""Every picture put into one bucket gets a thumbnail in another."""

import io
import os
from typing import NoReturn

import boto3
import flask
import functions_framework
from cloudevents.http import CloudEvent
from PIL import Image, ImageOps

THUMBNAILS_BUCKET = os.environ["THUMBNAILS_BUCKET"]
PIXELS = int(os.environ.get("THUMBNAIL_PIXELS", "128"))
MAX_BYTES = 64 * 1024 * 1024

s3 = boto3.client("s3")


@functions_framework.cloud_event
def thumbnail(event: CloudEvent) -> None:
    """Write `<key>.thumb.jpg` for the object that the event names; doing it twice changes nothing."""
    bucket, key = event.data["s3"]["bucket"]["name"], event["subject"]
    if bucket == THUMBNAILS_BUCKET:
        refuse("thumbnails of thumbnails would never end: THUMBNAILS_BUCKET must be another bucket")
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        print(f"{bucket}/{key} is gone again: nothing to do")
        return
    if found["ContentLength"] > MAX_BYTES:
        refuse(f"{bucket}/{key} has more than {MAX_BYTES} bytes")
    small = shrink(found["Body"].read())
    s3.put_object(Bucket=THUMBNAILS_BUCKET, Key=f"{key}.thumb.jpg", Body=small, ContentType="image/jpeg")
    print(f"{bucket}/{key}: {found['ContentLength']} bytes became {len(small)}")


def shrink(picture: bytes) -> bytes:
    """The picture as a JPEG of at most PIXELS by PIXELS, the right way up."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            # First small, then turned: a JPEG is decoded at a fraction of its size this way.
            image.thumbnail((PIXELS, PIXELS))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        refuse(f"not a picture that can be read: {error}")
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=85)
    return out.getvalue()


def refuse(reason: str) -> NoReturn:
    """Answer 422: trying this event again would not help. Any other exception means that it may."""
    flask.abort(flask.make_response(reason, 422))
