"""The command line as a process against a running service, as a person or a script uses both."""

import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ossfn.adapter.demo.processes import program, running

pytestmark = pytest.mark.slow

TOKEN = "let-me-in"

GOOD = """
import functions_framework

@functions_framework.cloud_event
def handle(event):
    print("took", event["subject"])
"""
# 422 says that it never will: the delivery is a dead letter at once.
REFUSING = """
import flask
import functions_framework

@functions_framework.cloud_event
def handle(event):
    flask.abort(422)
"""
BROKEN = GOOD + '\nraise RuntimeError("no such model")\n'


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.out)


Ossfn = Callable[..., Done]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of this module lies."""
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def environment(folder: Path) -> Mapping[str, str]:
    """The environment of service and commands: nothing of the machine's own, and a token."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OSSFN_")}
    return {**clean, "OSSFN_DATA": str(folder / "data"), "OSSFN_API_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def ossfn(folder: Path, environment: Mapping[str, str]) -> Iterator[Ossfn]:
    """Runs `ossfn …` beside a service on free ports, which it finds by the data directory."""

    def run(*words: str, **env: str) -> Done:
        done = subprocess.run(
            [program("ossfn"), *words],
            cwd=folder,
            env={**environment, **env},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    command = [program("ossfn"), "up", "--port", "0", "--s3-port", "0"]
    with running(command, folder / "up.log", environment) as service:
        service.wait_until(lambda: (folder / "data/running.json").exists() or None, 60)
        yield run


@pytest.fixture
def deploy(ossfn: Ossfn, tmp_path: Path) -> Callable[[str, str], Done]:
    """Deploys code as a function."""

    def deployed(name: str, code: str) -> Done:
        (tmp_path / "main.py").write_text(code)
        return ossfn("functions", "deploy", str(tmp_path), "--name", name, "--env", "SIZE=128")

    return deployed


def notify(ossfn: Ossfn, folder: Path, bucket: str, *keys: str) -> None:
    """Send a notification about these keys, as they stand in a record."""
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": "2026-11-22T10:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 3}},
        }
        for key in keys
    ]
    (folder / "notification.json").write_text(json.dumps({"Records": records}))
    done = ossfn("events", "send", "notification.json")
    assert done.out == f"{len(keys)} events, {len(keys)} deliveries, 0 known already\n", done.err


def deliveries(ossfn: Ossfn, *words: str) -> list[dict[str, Any]]:
    """What `deliveries ls` finds once nothing of it waits any more."""
    deadline = time.monotonic() + 20
    while True:
        found: list[dict[str, Any]] = ossfn("deliveries", "ls", *words, "--json").json()["deliveries"]
        if all(delivery["state"] != "pending" for delivery in found) or time.monotonic() > deadline:
            return found


def test_a_function_from_its_folder_to_its_log(ossfn: Ossfn, folder: Path, deploy: Callable[[str, str], Done]) -> None:
    assert deploy("good", GOOD) == Done(0, "good: version 1 serves\n", "")
    assert ossfn("rules", "add", "photos", "--event", "s3:ObjectCreated:*", "--function", "good").status == 1
    assert ossfn("buckets", "set", "photos").out == "photos: cn-north-1, strict, generation 1\n"
    added = ossfn(
        "rules", "add", "photos", "--name", "pictures", "--event", "s3:ObjectCreated:*", "--suffix", ".jpg",
        "--function", "good",
    )  # fmt: skip
    assert added.out == "photos/pictures: added\n"
    notify(ossfn, folder, "photos", "%E7%85%A7/a+b.jpg")

    (delivery,) = deliveries(ossfn, "--bucket", "photos")
    assert (delivery["state"], delivery["event"]["key"], delivery["target"]) == (
        "delivered",
        "照/a b.jpg",
        "function:good",
    )
    assert "took 照/a b.jpg" in ossfn("functions", "logs", "good", PYTHONIOENCODING="utf-8").out
    shown = ossfn("deliveries", "show", delivery["id"]).out
    assert "rule             pictures" in shown
    assert "event key        照/a b.jpg" in shown

    said = ossfn("explain", "photos", "照/a b.jpg", "s3:ObjectCreated:Put")
    assert "pictures  matched  Event and key match." in said.out
    assert said.out.endswith("goes to function:good\n")
    assert ossfn("explain", "photos", "a.png", "s3:ObjectCreated:Put").out.endswith("goes nowhere\n")

    described = ossfn("functions", "describe", "good").out
    assert "triggers         1 of 10" in described
    assert "SIZE" in described
    assert "128" not in described

    refused = ossfn("functions", "rm", "good")
    assert refused.status == 1
    assert refused.err.splitlines()[-1] == "  photos/pictures"
    assert ossfn("functions", "rm", "good", "--cascade").status == 0
    assert ossfn("rules", "ls", "photos", "--json").json() == {"rules": []}


def test_a_folder_may_name_its_function(ossfn: Ossfn, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(GOOD)
    (tmp_path / "functions.toml").write_text('name = "named"')

    assert ossfn("functions", "deploy", str(tmp_path)).out == "named: version 1 serves\n"


def test_versions_and_the_way_back(ossfn: Ossfn, folder: Path, deploy: Callable[[str, str], Done]) -> None:
    deploy("moody", GOOD)
    broken = deploy("moody", BROKEN)
    assert broken.status == 1
    assert "RuntimeError: no such model" in broken.err
    assert deploy("moody", REFUSING).out == "moody: version 2 serves\n"

    event = {"specversion": "1.0", "id": "1", "source": "test", "type": "test", "subject": "a key"}
    (folder / "event.json").write_text(json.dumps(event))
    assert ossfn("functions", "invoke", "moody", "event.json").status == 1
    assert [v["number"] for v in ossfn("functions", "versions", "moody", "--json").json()["versions"]] == [2, 1]
    assert ossfn("functions", "rollback", "moody").out == "moody: version 1 serves\n"
    assert ossfn("functions", "invoke", "moody", "event.json", "--json").json()["status"] == 200
    assert ossfn("functions", "rm", "moody").status == 0
    gone = ossfn("functions", "describe", "moody")
    assert (gone.status, gone.out) == (1, "")
    assert gone.err == "ossfn: there is no function named 'moody'; `ossfn functions ls` shows those there are\n"


def test_a_remote_function_is_a_name_for_a_url(ossfn: Ossfn) -> None:
    done = ossfn("functions", "deploy", "--url", "http://127.0.0.1:1/", "--name", "far", "--concurrency", "3")
    assert done.out == "far: calls http://127.0.0.1:1/\n"

    (listed,) = [f for f in ossfn("functions", "ls", "--json").json()["functions"] if f["name"] == "far"]
    assert (listed["kind"], listed["url"], listed["concurrency"]) == ("remote", "http://127.0.0.1:1/", 3)
    refused = ossfn("functions", "deploy", "--url", "nowhere", "--name", "far")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert refused.err.startswith("ossfn: url: ")


def test_rules_change_only_in_what_is_said(ossfn: Ossfn) -> None:
    ossfn("buckets", "set", "shelf")
    ossfn(
        "rules",
        "add",
        "shelf",
        "--name",
        "a",
        "--event",
        "s3:ObjectCreated:*",
        "--prefix",
        "in/",
        "--callback",
        "http://127.0.0.1:1/",
    )
    before = ossfn("rules", "show", "shelf", "a", "--json").json()

    assert ossfn("rules", "set", "shelf", "a", "--suffix", ".png", "--disabled").out == "shelf/a: changed\n"
    after = ossfn("rules", "show", "shelf", "a", "--json").json()
    assert after == before | {"suffix": ".png", "enabled": False}
    assert ossfn("rules", "ls", "shelf").out.endswith(" no\n")
    assert [rule["bucket"] for rule in ossfn("rules", "ls", "--json").json()["rules"]].count("shelf") == 1

    clash = ossfn(
        "rules",
        "add",
        "shelf",
        "--event",
        "s3:ObjectCreated:Put",
        "--prefix",
        "in/x",
        "--callback",
        "http://127.0.0.1:1/",
    )
    assert clash.status == 1
    assert "both take the key 'in/x.png'" in clash.err

    assert ossfn("buckets", "rollback", "shelf", "2").status == 0
    assert ossfn("rules", "show", "shelf", "a", "--json").json() == before
    assert [change["generation"] for change in ossfn("buckets", "history", "shelf", "--json").json()["changes"]] == [
        4,
        3,
        2,
        1,
    ]
    assert ossfn("rules", "rm", "shelf", "a").status == 0
    assert ossfn("rules", "rm", "shelf", "a").status == 1
    assert ossfn("buckets", "rm", "shelf").out == "shelf: deleted\n"


def test_rules_travel_as_a_document(ossfn: Ossfn, folder: Path) -> None:
    callback = ("--event", "s3:ObjectCreated:*", "--callback", "http://127.0.0.1:1/")
    ossfn("buckets", "set", "here", "--mode", "fan-out")
    ossfn("rules", "add", "here", "--name", "a", *callback)
    ossfn("rules", "add", "here", "--name", "b", "--prefix", "in/", *callback)
    overlapping = ossfn("rules", "export", "here")
    ossfn("buckets", "set", "there")
    ossfn("rules", "add", "there", "--name", "c", "--suffix", ".照", *callback)
    (folder / "rules.json").write_text(overlapping.out.replace('"here"', '"there"'))

    before = ossfn("rules", "export", "there")
    assert ossfn("rules", "apply", "rules.json") == Done(0, "there: 2 rules\n", "")
    assert ossfn("rules", "ls", "there", "--json").json() == ossfn("rules", "ls", "here", "--json").json()
    (folder / "rules.json").write_text(before.out)
    assert ossfn("rules", "apply", "rules.json").status == 0
    assert ossfn("rules", "export", "there") == before

    (folder / "rules.json").write_text('{"buckets": [{"name": "there"}]}')
    assert ossfn("rules", "apply", "rules.json").status == 2


def test_callbacks_have_names(ossfn: Ossfn) -> None:
    assert ossfn("callbacks", "set", "hook", "http://127.0.0.1:1/a", "http://127.0.0.1:1/b").status == 0
    assert "http://127.0.0.1:1/a http://127.0.0.1:1/b" in ossfn("callbacks", "ls").out
    assert ossfn("callbacks", "rm", "hook").status == 0
    assert ossfn("callbacks", "ls", "--json").json() == {"callbacks": []}


def test_dead_letters_are_found_counted_and_sent_again(
    ossfn: Ossfn, folder: Path, deploy: Callable[[str, str], Done]
) -> None:
    deploy("picky", REFUSING)
    ossfn("buckets", "set", "inbox")
    ossfn("rules", "add", "inbox", "--event", "s3:ObjectCreated:*", "--function", "picky")
    notify(ossfn, folder, "inbox", "a", "b", "%1B%5B2J")
    dead = deliveries(ossfn, "--bucket", "inbox")
    assert [delivery["state"] for delivery in dead] == ["dead"] * 3
    assert ossfn("deliveries", "ls", "--state", "dead", "--json").json()["deliveries"][:3] == dead

    sick = ossfn("doctor")
    assert sick.status == 1
    assert "WRONG dead letters: 3 deliveries were given up" in sick.out
    assert "inbox/\\x1b[2J" in ossfn("deliveries", "ls", "--state", "dead").out

    deploy("picky", GOOD)
    counted = ossfn("deliveries", "redeliver", "--bucket", "inbox", "--since", "1h", "--dry-run")
    assert counted.out == "3 dead letters match\n"
    assert ossfn("deliveries", "redeliver", dead[0]["id"]).out == "1 redelivered\n"
    assert ossfn("deliveries", "redeliver", dead[0]["id"]).status == 1
    assert ossfn("deliveries", "redeliver", "--bucket", "inbox", "--rate", "100").out == "2 redelivered\n"
    again = [delivery for delivery in deliveries(ossfn, "--bucket", "inbox") if delivery["redelivery_of"]]
    assert {delivery["redelivery_of"] for delivery in again} == {delivery["id"] for delivery in dead}
    assert ossfn("doctor").status == 0


def test_what_waits_for_a_paused_target_can_be_cancelled(
    ossfn: Ossfn, folder: Path, deploy: Callable[[str, str], Done]
) -> None:
    deploy("slow", GOOD)
    ossfn("buckets", "set", "queue")
    ossfn("rules", "add", "queue", "--event", "s3:ObjectCreated:*", "--function", "slow")
    assert ossfn("targets", "pause", "function:slow", "--reason", "new model").status == 0
    notify(ossfn, folder, "queue", "a", "b")

    (target,) = ossfn("targets", "ls", "--json").json()["targets"]
    assert (target["target"], target["pending"], target["paused_reason"]) == ("function:slow", 2, "new model")
    findings = ossfn("doctor", "--json").json()["findings"]
    assert [finding["cure"] for finding in findings if finding["cure"]] == [
        "When its cause is mended: ossfn targets resume function:slow"
    ]
    assert ossfn("deliveries", "cancel", "--target", "function:slow").out == "2 cancelled\n"
    assert ossfn("targets", "resume", "function:slow").status == 0
    assert ossfn("targets", "ls", "--json").json() == {"targets": []}
    counts = ossfn("stats", "--json").json()
    assert counts["accepted"] == sum(counts[end] for end in ("delivered", "dead", "pending", "cancelled"))


def test_a_second_service_says_what_stands_in_its_way(ossfn: Ossfn, folder: Path) -> None:
    same_data = ossfn("up", "--port", "0", "--s3-port", "0")
    assert same_data.status == 1
    assert f"ossfn: {folder / 'data'}" in same_data.err
    assert "another ossfn" in same_data.err

    port = json.loads((folder / "data/running.json").read_bytes())["port"]
    same_port = ossfn("--data", str(folder / "other"), "up", "--port", str(port), "--s3-port", "0")
    assert same_port.status == 1
    assert f"port {port} or 0 of 127.0.0.1 is in use" in same_port.err
    assert "Traceback" not in same_data.err + same_port.err


def test_without_the_token_it_says_so(ossfn: Ossfn) -> None:
    done = ossfn("functions", "ls", OSSFN_API_TOKEN="")

    assert (done.status, done.out) == (1, "")
    assert done.err == "ossfn: The API needs a token. Put it into OSSFN_API_TOKEN.\n"


def test_on_a_terminal_a_table_fits(ossfn: Ossfn, folder: Path, environment: Mapping[str, str]) -> None:
    terminal, far_end = pty.openpty()
    command = [program("ossfn"), "deliveries", "ls"]
    size = {"COLUMNS": "100", "TERM": "xterm"}
    subprocess.run(command, cwd=folder, env={**environment, **size}, stdout=far_end, timeout=60, check=True)
    os.close(far_end)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", os.read(terminal, 65536).decode()).splitlines()
    os.close(terminal)

    assert max(map(len, lines)) <= 100
    assert lines[0].split()[:4] == ["id", "state", "object", "event"]
    newest = ossfn("deliveries", "ls", "--limit", "1", "--json").json()["deliveries"][0]["id"]
    assert newest in lines[1]


def test_refusals_advise_in_the_words_of_the_command_line(ossfn: Ossfn) -> None:
    ossfn("buckets", "set", "held")
    ossfn("rules", "add", "held", "--event", "s3:ObjectCreated:*", "--callback", "http://127.0.0.1:9/")
    held, unknown = ossfn("buckets", "rm", "held"), ossfn("rules", "ls", "nowhere")
    assert held.status == unknown.status == 1
    assert "With --cascade" in held.err
    assert "`ossfn buckets set BUCKET` makes one" in unknown.err
    assert ossfn("buckets", "rm", "held", "--cascade").status == 0


def test_doctor_names_a_target_that_keeps_failing_and_why(ossfn: Ossfn, folder: Path) -> None:
    ossfn("buckets", "set", "tried")
    ossfn("rules", "add", "tried", "--event", "s3:ObjectCreated:*", "--callback", "http://127.0.0.1:9/")
    notify(ossfn, folder, "tried", "a", "b")
    deadline = time.monotonic() + 30
    while min(d["attempt"] for d in ossfn("deliveries", "ls", "--bucket", "tried", "--json").json()["deliveries"]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    told = ossfn("doctor")
    assert told.status == 1
    assert re.search(r"WRONG retries: callback:http://127.0.0.1:9/ fails: 2 of 2 that wait .*refused", told.out)
    assert "ok    recounted: counters and deliveries agree" in told.out
    assert ossfn("deliveries", "cancel", "--bucket", "tried").status == 0
    assert "retries: no target keeps failing" in ossfn("doctor").out
