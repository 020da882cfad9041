"""How many bytes each folder of a bucket holds, kept up to date by a function of JD Cloud."""

import os
import sqlite3
from contextlib import closing

TABLES = """
    CREATE TABLE IF NOT EXISTS object (
        bucket TEXT NOT NULL,
        key    TEXT NOT NULL,
        bytes  INTEGER,             -- NULL: it was removed
        time   TEXT NOT NULL,       -- of the last event about it
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
    CREATE VIEW IF NOT EXISTS folder AS
        SELECT bucket, substr(key, 1, instr(key, '/')) AS folder, count(*) AS objects, sum(bytes) AS bytes
        FROM object WHERE bytes IS NOT NULL GROUP BY 1, 2;
"""
# An event that comes late changes nothing: the object's newer one has been here already.
PUT = """
    INSERT INTO object VALUES (?, ?, ?, ?)
    ON CONFLICT (bucket, key) DO UPDATE SET bytes = excluded.bytes, time = excluded.time
    WHERE excluded.time >= object.time
"""


def handler(event, context):
    """Take note of each object that the event names, and give back their number."""
    with closing(sqlite3.connect(os.environ["USAGE_DB"], timeout=30)) as usage:
        usage.executescript(TABLES)
        with usage:
            for record in event["Records"]:
                usage.execute(PUT, row(record))
    print(context.request_id, len(event["Records"]), "noted")
    return len(event["Records"])


def row(record):
    """Bucket, key, bytes and time of one record."""
    detail = record["detail"]
    thing = detail["s3"]["object"]
    size = None if detail["eventName"].startswith("s3:ObjectRemoved:") else int(thing["size"])
    # Fractions of a second may be there or not: without the Z such times compare as texts.
    return detail["s3"]["bucket"]["name"], thing["key"], size, record["time"].rstrip("Z")
