"""What the demo does, and every function call that must follow from it: plain data, written down by hand."""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

UPLOADS, THUMBS = "uploads", "thumbs"
CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"

FUNCTIONS = ("thumbnail", "csv_index", "audit_log")
"""Folders of `sample_functions`, deployed under these names."""


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """One rule, as it is put through the S3 notification API."""

    bucket: str
    name: str
    events: tuple[str, ...]
    function: str
    prefix: str = ""
    suffix: str = ""


RULES = (
    TriggerRule(UPLOADS, "photos", (CREATED,), "thumbnail", suffix=".jpg"),
    TriggerRule(UPLOADS, "tables", (CREATED,), "csv_index", suffix=".csv"),
    TriggerRule(UPLOADS, "notes", (CREATED,), "audit_log", prefix="notes/", suffix=".txt"),
    TriggerRule(UPLOADS, "removed", (REMOVED,), "audit_log"),
    # What a function writes is an event too.
    TriggerRule(THUMBS, "made", (CREATED,), "audit_log"),
    # The buckets of the recorded notifications.
    TriggerRule("demo-bucket", "replayed", (CREATED,), "audit_log"),
    TriggerRule("demo-sns", "replayed", (CREATED,), "audit_log"),
    TriggerRule("jd-holiday", "replayed", (CREATED,), "audit_log"),
    TriggerRule("automation-function-a-test-cn-func-2", "replayed", (REMOVED,), "audit_log"),
)

Verb = Literal["put", "copy", "multipart", "delete"]

EVENT_OF: dict[Verb, str] = {
    "put": "s3:ObjectCreated:Put",
    "copy": "s3:ObjectCreated:Copy",
    "multipart": "s3:ObjectCreated:CompleteMultipartUpload",
    "delete": "s3:ObjectRemoved:Delete",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to the bucket `uploads`: the rule that it must meet, and where its content comes from."""

    verb: Verb
    key: str
    rule: str
    source: str = ""
    """The name of a file; for a copy, the key that is copied."""


STEPS = (
    Step("put", "holiday/beach.jpg", "photos", "photo.jpg"),
    Step("put", "照片/长城 春天.jpg", "photos", "photo.jpg"),
    Step("put", "holiday/50% off + sun & sea.jpg", "photos", "photo.jpg"),
    Step("copy", "holiday/beach (copy).jpg", "photos", "holiday/beach.jpg"),
    Step("multipart", "holiday/large.jpg", "photos", "large.jpg"),
    Step("put", "tables/价格 2026.csv", "tables", "prices.csv"),
    Step("put", "notes/a+b = 100% & more.txt", "notes", "note.txt"),
    Step("delete", "notes/a+b = 100% & more.txt", "removed"),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A notification that another store sent once, and the event that it means."""

    store: str
    headers: dict[str, str]
    body: bytes
    event: str
    bucket: str
    key: str


def recorded() -> list[Recorded]:
    """The notifications that come with the demo, bodies as the stores wrote them.

    JD Cloud's callback has no recorded body in public: it has the documented shape with values of ours.
    """
    files = resources.files(__package__).joinpath("notifications").iterdir()
    return [_recorded(json.loads(file.read_text("utf-8"))) for file in sorted(files, key=lambda file: file.name)]


def _recorded(said: dict[str, Any]) -> Recorded:
    return Recorded(said["from"], said["headers"], said["body"].encode(), said["event"], said["bucket"], said["key"])


@dataclass(frozen=True, slots=True)
class Call:
    """One function call: which event led to which function by which rule."""

    event: str
    bucket: str
    key: str
    rule: str
    function: str


def expected_calls() -> list[Call]:
    """Every call that must be seen, in the order in which its cause is."""
    function_of = {(rule.bucket, rule.name): rule.function for rule in RULES}
    steps = [(EVENT_OF[step.verb], UPLOADS, step.key, step.rule) for step in STEPS]
    thumbnails = [(EVENT_OF["put"], THUMBS, key, "made") for key in expected_thumbnails()]
    replays = [(known.event, known.bucket, known.key, "replayed") for known in recorded()]
    return [Call(*cause, function_of[cause[1], cause[3]]) for cause in (*steps, *thumbnails, *replays)]


def expected_thumbnails() -> list[str]:
    """Keys in the bucket `thumbs`."""
    return [f"{step.key}.thumb.jpg" for step in STEPS if step.rule == "photos"]
