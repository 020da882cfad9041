"""The CSV sample keeps an SQLite index of what a real store holds, whatever order the events come in."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.samples.conftest import Sample, Serve

from ossfn.adapter.demo.s3 import S3Endpoint

pytestmark = pytest.mark.slow

KEY = "tables/prices 2026.csv"
PRICES = '\ufeffcity,price\n北京,12\n"São Paulo",8\n'.encode()


@pytest.fixture(scope="module")
def s3(store: S3Endpoint) -> Iterator[Any]:
    client = store.client()
    client.create_bucket(Bucket="tables")
    yield client
    client.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index") / "index.db"


@pytest.fixture(scope="module")
def sample(serve: Serve, store: S3Endpoint, index: Path) -> Sample:
    return serve("csv_index", {**store.environment(), "INDEX_DB": str(index)})


def rows(index: Path, key: str = KEY) -> list[dict[str, str]]:
    with closing(sqlite3.connect(index)) as db:
        found = db.execute("SELECT cells FROM csv_row WHERE bucket = 'tables' AND key = ? ORDER BY number", (key,))
        return [json.loads(cells) for (cells,) in found]


def test_rows_are_found_by_key(sample: Sample, s3: Any, index: Path) -> None:
    s3.put_object(Bucket="tables", Key=KEY, Body=PRICES)

    assert sample.send().status_code == 200
    assert rows(index) == [{"city": "北京", "price": "12"}, {"city": "São Paulo", "price": "8"}]


def test_the_index_follows_the_store_and_not_the_events(sample: Sample, s3: Any, index: Path) -> None:
    key = "changing.csv"
    s3.put_object(Bucket="tables", Key=key, Body=PRICES)
    sample.send(key=key)
    s3.put_object(Bucket="tables", Key=key, Body=b"city,price\nRiga,3\n")
    sample.send(key=key)
    sample.send(key=key)  # a repeated delivery
    assert rows(index, key) == [{"city": "Riga", "price": "3"}]

    s3.delete_object(Bucket="tables", Key=key)
    sample.send(key=key)  # a late "created" finds nothing any more
    assert rows(index, key) == []


def test_uneven_rows_lose_nothing(sample: Sample, s3: Any, index: Path) -> None:
    s3.put_object(Bucket="tables", Key="uneven.csv", Body=b"a,b\n1\n1,2,3,4\n")

    assert sample.send(key="uneven.csv").status_code == 200
    assert rows(index, "uneven.csv") == [{"a": "1", "b": ""}, {"a": "1", "b": "2", "(more)": ["3", "4"]}]


@pytest.mark.parametrize("body", [b"a,b\n\xff\xfe,2\n", b'a,b\n"1'], ids=["not UTF-8", "open quote"])
def test_what_is_not_csv_is_refused_for_good_and_changes_nothing(
    sample: Sample, s3: Any, index: Path, body: bytes
) -> None:
    key = "broken.csv"
    s3.put_object(Bucket="tables", Key=key, Body=PRICES)
    sample.send(key=key)
    s3.put_object(Bucket="tables", Key=key, Body=body)

    answer = sample.send(key=key)

    assert (answer.status_code, "is not CSV in UTF-8" in answer.text) == (422, True)
    assert len(rows(index, key)) == 2
