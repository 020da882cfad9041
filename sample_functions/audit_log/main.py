"""One line of JSON for everything that happened to an object, in a file that only grows."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import functions_framework
from cloudevents.http import CloudEvent

AUDIT_FILE = Path(os.environ["AUDIT_FILE"])


@functions_framework.cloud_event
def audit_log(event: CloudEvent) -> None:
    """Append the line, and answer only when it is on the disk.

    An event that comes twice is written twice with the same `id`: the reader tells them apart, the log hides nothing.
    """
    line = {
        "id": event["id"],
        "type": event["type"],
        "time": event["time"],
        "bucket": event.data["s3"]["bucket"]["name"],
        "key": event["subject"],
        "logged_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    append((json.dumps(line, ensure_ascii=False) + "\n").encode())


def append(line: bytes) -> None:
    """One write to a file opened for appending: lines of several processes do not mix."""
    with AUDIT_FILE.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
