"""The search sample keeps an index of what a real store holds, and finds words of any script in it."""

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from tests.samples.conftest import SAMPLES, Sample, Serve

from ossfn.adapter.demo.s3 import S3Endpoint

pytestmark = pytest.mark.slow

KEY = "notes/读书 100%.md"


@pytest.fixture(scope="module")
def s3(store: S3Endpoint) -> Iterator[Any]:
    client = store.client()
    client.create_bucket(Bucket="notes")
    yield client
    client.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index") / "search.db"


@pytest.fixture(scope="module")
def sample(serve: Serve, store: S3Endpoint, index: Path) -> Sample:
    return serve("text_search", {**store.environment(), "SEARCH_DB": str(index)})


def found(index: Path, words: str) -> list[tuple[str, str]]:
    spec = spec_from_file_location("search", SAMPLES / "text_search" / "search.py")
    assert spec
    assert spec.loader
    spec.loader.exec_module(module := module_from_spec(spec))
    return [(key, place) for _, key, place in module.search(str(index), words)]


def test_it_follows_what_the_store_holds(sample: Sample, s3: Any, index: Path) -> None:
    s3.put_object(Bucket="notes", Key=KEY, Body='今天读了一本关于猫的书。A story of "two" cities.'.encode())
    assert sample.send().status_code == 200
    assert found(index, "关于猫") == [(KEY, '今天读了一本[关于猫]的书。A story of "two" cities.')]
    assert [key for key, _ in found(index, 'of "two" cit')] == [KEY]

    s3.put_object(Bucket="notes", Key=KEY, Body=b"something else")
    for _ in range(2):
        assert sample.send().status_code == 200
    assert found(index, "关于猫") == []
    assert [key for key, _ in found(index, "else")] == [KEY]

    s3.delete_object(Bucket="notes", Key=KEY)
    assert sample.send().status_code == 200
    assert found(index, "else") == []


def test_what_is_no_text_is_dropped_with_a_reason(sample: Sample, s3: Any) -> None:
    s3.put_object(Bucket="notes", Key=KEY, Body=b"\xff\xfe\x00")
    answer = sample.send()
    assert (answer.status_code, "not text in UTF-8" in answer.text) == (422, True)


def test_another_failure_is_a_retry(sample: Sample) -> None:
    assert sample.send(bucket="no-such-bucket").status_code == 500
