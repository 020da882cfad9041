"""The thumbnail sample reads the picture from a real store and writes a smaller one into another bucket."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from tests.samples.conftest import Sample, Serve

from ossfn.adapter.demo.s3 import S3Endpoint

pytestmark = pytest.mark.slow

KEY = "图片/猫 100%.jpg"


@pytest.fixture(scope="module")
def s3(store: S3Endpoint) -> Iterator[Any]:
    client = store.client()
    for bucket in ("photos", "thumbs"):
        client.create_bucket(Bucket=bucket)
    yield client
    client.close()


@pytest.fixture(scope="module")
def sample(serve: Serve, store: S3Endpoint) -> Sample:
    return serve("thumbnail", {**store.environment(), "THUMBNAILS_BUCKET": "thumbs"})


def picture(width: int, height: int, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(out, "JPEG", **options)
    return out.getvalue()


def thumbnail_of(s3: Any, key: str) -> Any:
    return Image.open(io.BytesIO(s3.get_object(Bucket="thumbs", Key=f"{key}.thumb.jpg")["Body"].read()))


def test_a_photo_gets_a_thumbnail(sample: Sample, s3: Any) -> None:
    s3.put_object(Bucket="photos", Key=KEY, Body=picture(1200, 600))

    for _ in range(2):  # the second time is a repeated delivery
        answer = sample.send()
        assert (answer.status_code, answer.text) == (200, "OK")

    assert (thumbnail_of(s3, KEY).format, thumbnail_of(s3, KEY).size) == ("JPEG", (128, 64))


def test_a_photo_taken_sideways_is_turned(sample: Sample, s3: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    s3.put_object(Bucket="photos", Key="sideways.jpg", Body=picture(1200, 600, exif=exif))

    assert sample.send(key="sideways.jpg").status_code == 200
    assert thumbnail_of(s3, "sideways.jpg").size == (64, 128)


def test_a_transparent_png_gets_a_jpeg(sample: Sample, s3: Any) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (300, 300)).save(out, "PNG")
    s3.put_object(Bucket="photos", Key="clear.png", Body=out.getvalue())

    assert sample.send(key="clear.png").status_code == 200
    assert thumbnail_of(s3, "clear.png").format == "JPEG"


@pytest.mark.parametrize("body", [b"", b"not a picture", picture(1200, 600)[:1000]], ids=["empty", "text", "cut off"])
def test_what_is_no_picture_is_refused_for_good(sample: Sample, s3: Any, body: bytes) -> None:
    s3.put_object(Bucket="photos", Key="broken.jpg", Body=body)

    answer = sample.send(key="broken.jpg")

    assert answer.status_code == 422
    assert answer.text.startswith("not a picture that can be read")


def test_a_photo_that_is_gone_again_is_no_error(sample: Sample, s3: Any) -> None:
    assert sample.send(key="never was.jpg").status_code == 200


def test_a_bucket_that_is_missing_is_an_error_and_so_a_retry(sample: Sample, s3: Any) -> None:
    assert sample.send(bucket="no-such-bucket").status_code == 500


def test_it_does_not_run_in_circles(sample: Sample, s3: Any) -> None:
    assert sample.send(bucket="thumbs").status_code == 422
