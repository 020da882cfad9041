"""Searches the index: `python search.py INDEX.db WORDS`, three letters at least; the best match comes first."""

import sqlite3
import sys
from contextlib import closing

FIND = """
    SELECT bucket, key, snippet(body, 0, '[', ']', ' … ', 48)
    FROM body JOIN document ON document.id = body.rowid
    WHERE body MATCH ? ORDER BY rank LIMIT 20
"""


def search(path: str, words: str) -> list[tuple[str, str, str]]:
    """Bucket, key and the place in the text, of each document that holds the words as they stand."""
    phrase = '"' + words.replace('"', '""') + '"'
    with closing(sqlite3.connect(path)) as index:
        return index.execute(FIND, (phrase,)).fetchall()


if __name__ == "__main__":
    for bucket, key, place in search(sys.argv[1], " ".join(sys.argv[2:])):
        print(f"{bucket}/{key}: {place}")
