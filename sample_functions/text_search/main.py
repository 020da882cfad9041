"""Full-text search over the text files of a bucket, in any script."""

import os
import sqlite3
from contextlib import closing

from botocore.exceptions import ClientError

from ossfn.functions import Drop, ObjectEvent, object_event

SEARCH_DB = os.environ["SEARCH_DB"]
MAX_BYTES = 16 * 1024 * 1024
TABLES = """
    CREATE TABLE IF NOT EXISTS document (
        id     INTEGER PRIMARY KEY,
        bucket TEXT NOT NULL,
        key    TEXT NOT NULL,
        UNIQUE (bucket, key)
    );
    -- Three letters at a time: finds parts of words, and words of scripts that put no spaces between them.
    CREATE VIRTUAL TABLE IF NOT EXISTS body USING fts5 (text, tokenize = 'trigram');
"""


@object_event
def text_search(event: ObjectEvent) -> None:
    """Index what the store holds now under the key, so that late, repeated and swapped events end in the same index."""
    with closing(sqlite3.connect(SEARCH_DB, timeout=30, isolation_level=None)) as index:
        index.executescript(TABLES)
        with index:
            # The store is asked inside the transaction: who writes last has also looked last.
            index.execute("BEGIN IMMEDIATE")
            put(index, event, read(event))


def put(index: sqlite3.Connection, event: ObjectEvent, text: str | None) -> None:
    """Let the index hold this text for the key, or nothing."""
    place = (event.bucket, event.key)
    known = index.execute("SELECT id FROM document WHERE bucket = ? AND key = ?", place).fetchone()
    if known:
        index.execute("DELETE FROM body WHERE rowid = ?", known)
        index.execute("DELETE FROM document WHERE id = ?", known)
    if text is not None:
        number = index.execute("INSERT INTO document (bucket, key) VALUES (?, ?)", place).lastrowid
        index.execute("INSERT INTO body (rowid, text) VALUES (?, ?)", (number, text))
    print(f"{event.bucket}/{event.key}: {'gone' if text is None else f'{len(text)} characters'}")


def read(event: ObjectEvent) -> str | None:
    """The object's text; None when it is gone."""
    try:
        # Of a versioned bucket, too, what counts is what the key holds now.
        with event.model_copy(update={"version_id": None}).open() as body:
            content = body.read(MAX_BYTES + 1)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    if len(content) > MAX_BYTES:
        raise Drop(f"{event.key} has more than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Drop(f"{event.key} is not text in UTF-8: {error}") from error
