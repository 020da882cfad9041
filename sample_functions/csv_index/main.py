"""The rows of every CSV file in a bucket, searchable with SQL."""

import csv
import io
import json
import os
import sqlite3
from contextlib import closing
from typing import NoReturn

import boto3
import flask
import functions_framework
from cloudevents.http import CloudEvent

INDEX_DB = os.environ["INDEX_DB"]
MAX_BYTES = 64 * 1024 * 1024
TABLE = """
    CREATE TABLE IF NOT EXISTS csv_row (
        bucket TEXT NOT NULL,
        key    TEXT NOT NULL,
        number INTEGER NOT NULL,  -- from 1; the header is none
        cells  TEXT NOT NULL,     -- JSON: {"column": "value", ...}
        PRIMARY KEY (bucket, key, number)
    ) WITHOUT ROWID
"""

s3 = boto3.client("s3")


@functions_framework.cloud_event
def csv_index(event: CloudEvent) -> None:
    """Index what the store holds now under the key that the event names.

    Late, repeated and swapped events all end in the same index: the store is asked, not the event, and asked inside
    the transaction, so that who writes last has also looked last.
    """
    bucket, key = event.data["s3"]["bucket"]["name"], event["subject"]
    with closing(sqlite3.connect(INDEX_DB, timeout=30, isolation_level=None)) as index, index:
        index.execute("BEGIN IMMEDIATE")
        index.execute(TABLE)
        index.execute("DELETE FROM csv_row WHERE bucket = ? AND key = ?", (bucket, key))
        rows = [(bucket, key, number, cells) for number, cells in enumerate(read_rows(bucket, key), start=1)]
        index.executemany("INSERT INTO csv_row VALUES (?, ?, ?, ?)", rows)
    print(f"{bucket}/{key}: {len(rows)} rows")


def read_rows(bucket: str, key: str) -> list[str]:
    """The cells of each row as JSON; none when the object is gone."""
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return []
    if found["ContentLength"] > MAX_BYTES:
        refuse(f"{bucket}/{key} has more than {MAX_BYTES} bytes")
    try:
        # "-sig": spreadsheets put a byte order mark in front.
        text = io.StringIO(found["Body"].read().decode("utf-8-sig"), newline="")
        table = csv.DictReader(text, restkey="(more)", restval="", strict=True)
        return [json.dumps(row, ensure_ascii=False) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        refuse(f"{bucket}/{key} is not CSV in UTF-8: {error}")


def refuse(reason: str) -> NoReturn:
    """Answer 422: trying this event again would not help. Any other exception means that it may."""
    flask.abort(flask.make_response(reason, 422))
