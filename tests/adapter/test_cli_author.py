"""What authors do on the command line, against a running service: begin, deploy, invoke, follow, name versions."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ossfn.adapter.cli.functions import FOLLOW_SECONDS
from ossfn.functions.examples import STORES
from ossfn.functions.testing import Adapter, running, wait_for

pytestmark = pytest.mark.slow

OSSFN = (sys.executable, "-m", "ossfn.adapter")
TEMPLATE = """
Transform: JDCloud::Serverless-2019-12-25
Resources:
  shout:
    Type: JDCloud::Serverless::Function
    Properties: {Handler: index.handler, Runtime: python3.7, CodeUri: code, Timeout: 7, Env: {COLOUR: red, SIZE: "1"}}
"""
HANDLER = """
import os
def handler(event, context):
    return [event["Records"][0]["detail"]["s3"]["object"]["key"].upper(), os.environ["COLOUR"], os.environ["SIZE"]]
"""


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapter]:
    folder = tmp_path_factory.mktemp("author")
    with running(
        [*OSSFN, "up", "--data", str(folder / "data"), "--port", "0", "--s3-port", "0"], folder / "output"
    ) as up:
        ready = json.loads(wait_for(up, folder / "output", r'(\{"ready".*\})\n'))
        yield Adapter(ready["url"], "")


def test_a_template_of_jd_cloud_deploys_as_it_is(adapter: Adapter, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "code" / "index.py").write_text(HANDLER)
    assert adapter.ossfn("functions", "deploy", str(tmp_path), "--env", "COLOUR=blue") == "shout: version 1 serves\n"
    serving = json.loads(adapter.ossfn("functions", "describe", "shout", "--json"))["serving"]
    assert (serving["entry_point"], serving["timeout_seconds"], serving["env"]) == (
        "index.handler", 7, ["COLOUR", "SIZE"]
    )  # fmt: skip
    for store in STORES:
        said = adapter.ossfn("functions", "invoke", "shout", "--event", "copy", "--store", store, "--key", "图/a b+%")
        assert json.loads(said) == ["图/A B+%", "blue", "1"]


def test_python_2_is_refused_in_words(adapter: Adapter, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE.replace("python3.7", "python2.7"))
    with pytest.raises(AssertionError, match=r"Python 2\.7 is not run here"):
        adapter.ossfn("functions", "deploy", str(tmp_path))


def test_from_nothing_to_a_function_that_answers(adapter: Adapter, tmp_path: Path) -> None:
    folder = tmp_path / "thumbs"
    assert f"{folder}/main.py" in adapter.ossfn("functions", "init", "thumbs", "--dir", str(folder))
    (folder / "requirements.txt").unlink()  # it would have its own environment made, which takes a while
    adapter.ossfn("functions", "deploy", str(folder))
    assert adapter.ossfn("functions", "invoke", "thumbs", "--file", str(folder / "event.json")).strip() == "OK"
    assert "photos/cats/猫 1.jpg" in adapter.ossfn("functions", "logs", "thumbs")
    with pytest.raises(AssertionError, match="choose another folder"):
        adapter.ossfn("functions", "init", "thumbs", "--dir", str(folder))


def test_made_up_notifications_are_taken(adapter: Adapter, tmp_path: Path) -> None:
    for store in STORES:
        made = tmp_path / f"{store}.json"
        made.write_text(adapter.ossfn("events", "generate", "--store", store, "--event", "multipart"))
        assert adapter.ossfn("events", "send", str(made)).startswith("1 events")
    assert json.loads(adapter.ossfn("events", "generate", "--cloudevent", "--key", "é"))["subject"] == "é"


def test_the_log_is_followed(adapter: Adapter, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import functions_framework\n"
        "@functions_framework.http\ndef go(r): print('hello\\nhello', flush=True); return 'x'\n"
    )
    adapter.ossfn("functions", "deploy", str(tmp_path), "--name", "talker")
    command = [*OSSFN, "--server", adapter.url, "functions", "logs", "talker", "-f"]
    with running(command, tmp_path / "log") as log:
        wait_for(log, tmp_path / "log", "(is ready)")
        for count in (1, 2):
            adapter.ossfn("functions", "invoke", "talker", "--event", "put")
            wait_for(log, tmp_path / "log", r"(?s)(hello)" + r".*hello" * (2 * count - 1))
        time.sleep(2 * FOLLOW_SECONDS)
    assert (tmp_path / "log").read_text().count("hello") == 4


def test_versions_have_names(adapter: Adapter, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import functions_framework\n@functions_framework.http\ndef go(r): return ''\n")
    for _ in range(2):
        adapter.ossfn("functions", "deploy", str(tmp_path), "--name", "named")
    assert adapter.ossfn("functions", "alias", "named", "stable", "--version", "1") == "named: stable is version 1\n"
    assert adapter.ossfn("functions", "rollback", "named", "--alias", "stable") == "named: version 1 serves\n"
    assert json.loads(adapter.ossfn("functions", "versions", "named", "--json"))["aliases"] == {"stable": 1}
    assert "stable" in adapter.ossfn("functions", "versions", "named")
    assert adapter.ossfn("functions", "alias", "named", "stable", "--remove") == "named: stable removed\n"
    with pytest.raises(AssertionError, match="no alias stable"):
        adapter.ossfn("functions", "rollback", "named", "--alias", "stable")


def test_one_of_several_ways_is_asked_for(adapter: Adapter) -> None:
    for words in (["invoke"], ["invoke", "f", "--url", "http://x"], ["invoke", "f", "--file", "x", "--event", "put"]):
        done = subprocess.run([*OSSFN, "functions", *words], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2
        assert "give either" in done.stderr
