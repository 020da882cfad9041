"""The files that the demo uploads, made anew for each run: real photos, a table, a note."""

import io
import random

from PIL import Image

PRICES = "city,price\n北京,12\nRiga,3\nSão Paulo,8\n"


def make_files() -> dict[str, bytes]:
    """Content by file name; `large.jpg` is more than 5 MiB, the least that S3 takes for the first part of an upload."""
    return {
        "photo.jpg": _jpeg(_sunset(), quality=85),
        "large.jpg": _jpeg(_noise(1700), quality=100),
        "prices.csv": PRICES.encode(),
        "note.txt": b"Nothing to see here.\n",
    }


def _sunset() -> Image.Image:
    across, round_ = Image.linear_gradient("L"), Image.radial_gradient("L")
    return Image.merge("RGB", [across, round_, across.rotate(180)]).resize((1200, 800))


def _noise(side: int) -> Image.Image:
    """A picture that JPEG cannot make small."""
    return Image.frombytes("RGB", (side, side), random.Random(side).randbytes(3 * side * side))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
