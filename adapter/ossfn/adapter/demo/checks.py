"""Did everything happen? ossfn, the store and the functions' own results are asked; the answer is what is missing."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from ossfn.adapter.demo.files import PRICES
from ossfn.adapter.demo.stage import Stage
from ossfn.adapter.demo.story import STEPS, THUMBS, expected_calls, expected_thumbnails
from ossfn.adapter.demo.watching import Seen

THUMBNAIL_PIXELS = 128


def all_settled(seen: Sequence[Seen]) -> bool:
    """Whether each expected call has been made or given up."""
    return {each.call for each in seen if each.state != "pending"}.issuperset(expected_calls())


def missing(stage: Stage, seen: Sequence[Seen]) -> list[str]:
    """One line for each thing that should be there and is not."""
    return [
        *undelivered(seen),
        *no_thumbnail(stage.s3),
        *not_audited(stage.audit_file),
        *not_indexed(stage.index_db),
    ]


def undelivered(seen: Sequence[Seen]) -> Iterator[str]:
    """Expected calls of which ossfn does not say that they were made."""
    by_call = {each.call: each for each in seen}
    for call in expected_calls():
        what = f"{call.event} {call.bucket}/{call.key} to {call.function}"
        found = by_call.get(call)
        if found is None:
            yield f"no delivery of {what}"
        elif found.state != "delivered":
            yield f"{found.state}: {what}: {found.reason or 'not tried yet'}"


def no_thumbnail(s3: Any) -> Iterator[str]:
    """Thumbnails that are not in the store, or are no pictures, or not small."""
    for key in expected_thumbnails():
        try:
            with Image.open(io.BytesIO(s3.get_object(Bucket=THUMBS, Key=key)["Body"].read())) as image:
                image.load()
        except (s3.exceptions.NoSuchKey, OSError) as error:
            yield f"no picture in {THUMBS}/{key}: {error}"
        else:
            if max(image.size) != THUMBNAIL_PIXELS:
                yield f"{THUMBS}/{key} has {image.width} x {image.height} pixels"


def not_audited(file: Path) -> Iterator[str]:
    """Calls of `audit_log` that wrote no line about this very key."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    written = {(line["type"], line["bucket"], line["key"]) for line in lines}
    for call in expected_calls():
        cloudevent_type = "com.amazonaws.s3." + call.event.removeprefix("s3:")
        if call.function == "audit_log" and (cloudevent_type, call.bucket, call.key) not in written:
            yield f"no line in the audit log about {call.event} {call.bucket}/{call.key}"


def not_indexed(file: Path) -> Iterator[str]:
    """Tables whose rows are not all in the index."""
    wanted = list(csv.DictReader(io.StringIO(PRICES)))
    for step in STEPS:
        if step.rule == "tables" and (rows := _rows(file, step.key)) != wanted:
            yield f"the index of {step.key} holds {rows}"


def _rows(file: Path, key: str) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as index:
        found = index.execute("SELECT cells FROM csv_row WHERE key = ? ORDER BY number", (key,))
        return [json.loads(cells) for (cells,) in found]
