"""`./dev demo`, the first thing a stranger runs: it shows every call, names what is missing, leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ossfn.adapter.demo.checks import not_audited, not_indexed, undelivered
from ossfn.adapter.demo.files import make_files
from ossfn.adapter.demo.story import expected_calls, recorded

DEMO = [sys.executable, "-m", "ossfn.adapter.demo"]


def environment(tmp_path: Path) -> Mapping[str, str]:
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


def leftovers(tmp_path: Path) -> list[str]:
    """Files below the demo's temporary directory, and processes that were started with a path in it."""
    processes = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _text(path)]
    return [str(path) for path in (*tmp_path.iterdir(), *processes)]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # the process has ended meanwhile
        return ""


@pytest.mark.slow
def test_once_shows_every_call_and_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, "--once"], env=environment(tmp_path), capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    for call in expected_calls():
        event = call.event.removeprefix("s3:")
        assert f"{event}  {call.bucket}/{call.key}  {call.rule} → {call.function}  delivered" in done.stdout
    assert f"All {len(expected_calls())} expected calls were made" in done.stdout
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_it_stays_for_uploads_of_ones_own_until_ctrl_c(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    picture = tmp_path_factory.mktemp("own") / "own.jpg"
    picture.write_bytes(make_files()["photo.jpg"])
    with subprocess.Popen(DEMO, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        settings = next(line for line in demo.stdout if "AWS_ENDPOINT_URL_S3=" in line).rstrip(" \\\n")
        copy = f"{settings} {Path(sys.executable).with_name('aws')} s3 cp {picture} s3://uploads/own.jpg"
        subprocess.run(copy, shell=True, check=True, capture_output=True)  # noqa: S602 - as the demo tells people to
        assert any("uploads/own.jpg  photos → thumbnail  delivered" in line for line in demo.stdout)
        assert leftovers(tmp_path)  # so the search finds what there is
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_it_cleans_up_when_it_is_ended_while_it_starts(tmp_path: Path) -> None:
    with subprocess.Popen([*DEMO, "--once"], env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as demo:
        while not any("juicefs" in path or "ossfn.log" in path for path in map(str, tmp_path.rglob("*"))):
            time.sleep(0.02)
        demo.terminate()
        assert demo.wait(20) == 130
    assert leftovers(tmp_path) == []


def test_what_did_not_happen_is_named(tmp_path: Path) -> None:
    assert len(list(undelivered([]))) == len(expected_calls())
    assert "no line in the audit log about s3:ObjectCreated:Put jd-holiday/照片/长城.jpg" in not_audited(
        tmp_path / "none"
    )
    assert list(not_indexed(tmp_path / "none")) == ["the index of tables/价格 2026.csv holds []"]


def test_no_expected_call_looks_like_another() -> None:
    assert len(set(expected_calls())) == len(expected_calls())
    assert len({known.store for known in recorded()}) == 6
