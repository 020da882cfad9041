"""The audit sample writes one line for each event, with the exact key, however many come at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.samples.conftest import Serve

pytestmark = pytest.mark.slow


def test_it_writes_who_what_and_when(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    sample = serve("audit_log", {"AUDIT_FILE": str(log)})

    assert sample.send().status_code == 200

    [line] = map(json.loads, log.read_text().splitlines())
    assert line.pop("logged_at") > "2026"
    assert line == {
        "id": sample.event["id"],
        "type": "com.amazonaws.s3.ObjectRemoved:Delete",
        "time": sample.event["time"],
        "bucket": "notes",
        "key": "notes/50% off + more & done.txt",
    }


def test_lines_of_several_processes_do_not_mix(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    sample = serve("audit_log", {"AUDIT_FILE": str(log), "WORKERS": "3"})
    keys = [f"图片/{number}/" + "长" * 300 for number in range(60)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda key: sample.send(key=key), keys))

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(json.loads(line)["key"] for line in log.read_text().splitlines()) == sorted(keys)


def test_a_file_that_cannot_be_written_is_an_error_and_so_a_retry(serve: Serve, tmp_path: Path) -> None:
    sample = serve("audit_log", {"AUDIT_FILE": str(tmp_path / "no such folder" / "audit.jsonl")})

    assert sample.send().status_code == 500
