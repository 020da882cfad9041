"""The command line where no service is needed: help, wrong usage, where a service is looked for, access keys."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from ossfn.adapter.cli import app
from ossfn.adapter.cli.up import misspelled
from ossfn.adapter.demo.processes import program

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"
GENERATE = [
    program("typer"), "ossfn.adapter.cli", "utils", "docs", "--name", "ossfn", "--title", "The command line",
]  # fmt: skip


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its words."""
    pending: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while pending:
        words, command = pending.pop()
        inner = getattr(command, "commands", {})
        pending += [((*words, name), sub) for name, sub in inner.items()]
        if not inner:
            yield " ".join(words), command


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_shows_how_it_is_used(words: str, command: Any) -> None:
    result = CliRunner().invoke(app, [*words.split(), "--help"])

    assert result.exit_code == 0
    assert re.search(rf"For example:\n\n +ossfn {words}\b", result.stdout)
    assert all(parameter.help for parameter in command.params)


def test_the_reference_is_the_help() -> None:
    generated = subprocess.run(GENERATE, capture_output=True, text=True, timeout=60, check=True).stdout

    assert REFERENCE.read_text("utf-8").strip() == generated.strip(), f"run: {' '.join(GENERATE)} --output {REFERENCE}"


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, ossfn.adapter.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    heavy = {"rich", "httpx", "pydantic", "sqlalchemy", "asyncio", "fastapi", "uvicorn", "msgspec"}
    assert heavy.isdisjoint(loaded.stdout.split())


def test_no_service_ends_with_3_and_what_to_do() -> None:
    command = [program("ossfn"), "--server", "http://127.0.0.1:1", "functions", "ls"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == (
        "ossfn: http://127.0.0.1:1 does not answer: Connection refused. "
        "Start a service with `ossfn up`, or name one with --server.\n"
    )


WRONG_USAGE = [
    ("functions deploy", "give either DIR or --url URL"),
    ("functions deploy . --url http://a/ --name a", "give either DIR or --url URL"),
    ("functions deploy --url http://a/", "--name NAME is needed"),
    ("functions deploy --url http://a/ --name a --env A=b --memory-mb 64", "--memory-mb, --env: only with DIR"),
    ("functions deploy nowhere --name a", "nowhere is not a folder"),
    ("functions deploy nowhere", "--name NAME is needed"),
    ("functions invoke a nowhere.json", "nowhere.json: No such file or directory"),
    ("rules add photos --event s3:ObjectCreated:*", "--function or --callback, are needed"),
    ("rules add photos --event a --function f --callback http://a/", "either to a --function or to"),
    ("rules set photos thumbnails", "say what to change"),
    ("deliveries redeliver", "say which with a filter"),
    ("deliveries redeliver --all --bucket photos", "say which with a filter"),
    ("deliveries redeliver 123 --bucket photos", "give an ID alone, or a filter"),
    ("deliveries cancel", "say which with a filter"),
    ("events send nowhere.json", "nowhere.json: No such file or directory"),
    ("up --port 99999", "port: Input should be less than or equal to 65535"),
    ("up --host 0.0.0.0", "ossfn: listening on 0.0.0.0 needs OSSFN_API_TOKEN"),
    ("up --registry-url postgresql://me:secret@db/x", "registry_url: 'postgresql' is not possible: this release takes"),
    ("up --backend-url nats://n1:4222", "backend_url: 'nats' is not possible: this release takes sqlite:///path"),
    ("up --backend-url sqlite://outbox.db", "this release takes sqlite:///path"),
    ("up --role ingest", "role: 'ingest' is not possible: this release runs all roles in one process"),
]


@pytest.mark.parametrize(("line", "said"), WRONG_USAGE)
def test_wrong_usage_ends_with_2_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, line.split())

    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_misspelled_variable_is_told_the_nearest_setting() -> None:
    known = ("OSSFN_PORT", "OSSFN_SOURCES__MINIO__TOKEN", "OSSFN_SERVER", "PATH")
    unknown = ("OSSFN_API_TOKNE", "OSSFN_SOURCE__MINIO__TOKEN", "OSSFN_XYZZY")
    assert misspelled(dict.fromkeys((*known, *unknown), "s3cret")) == [
        "OSSFN_API_TOKNE is not known and changes nothing; did you mean OSSFN_API_TOKEN?",
        "OSSFN_SOURCE__MINIO__TOKEN is not known and changes nothing; did you mean OSSFN_SOURCES?",
        "OSSFN_XYZZY is not known and changes nothing",
    ]


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"buckets": [1]}', '{"buckets": [{"name": 1, "region": "", "mode": "", "rules": []}]}'],
)
def test_what_is_no_document_of_rules_is_refused_before_anything_changes(tmp_path: Path, document: str) -> None:
    (tmp_path / "rules.json").write_text(document)
    result = CliRunner().invoke(app, ["rules", "apply", str(tmp_path / "rules.json")])

    assert result.exit_code == 2
    assert "is not what `ossfn rules export` prints" in result.stderr


@pytest.mark.parametrize("damaged", ["port = ", "port = 'x'", "prot = 1", "sources = 1"])
def test_a_damaged_configuration_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ossfn.toml").write_text(damaged)
    result = CliRunner().invoke(app, ["up"])

    assert result.exit_code == 2
    assert result.stderr.startswith("ossfn: ")
    assert "Traceback" not in result.stderr


def test_access_keys_need_no_service(tmp_path: Path) -> None:
    def keys(*words: str) -> Result:
        return CliRunner().invoke(app, ["--data", str(tmp_path / "data"), "keys", *words])

    made = json.loads(keys("add", "ci", "--json").stdout)
    (listed,) = json.loads(keys("ls", "--json").stdout)["keys"]
    assert listed == {name: made[name] for name in ("access_key", "owner", "created_at")}
    assert made["owner"] == "ci"
    assert made["access_key"] in keys("ls").stdout
    assert made["secret_key"] not in keys("ls").stdout

    assert keys("rm", made["access_key"]).exit_code == 0
    assert json.loads(keys("ls", "--json").stdout) == {"keys": []}
    again = keys("rm", made["access_key"])
    assert (again.exit_code, again.stdout) == (1, "")
    assert made["access_key"] in again.stderr


def test_a_registry_that_cannot_be_opened_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSSFN_REGISTRY_URL", f"sqlite:///{tmp_path}/no/such/folder/registry.db")
    result = CliRunner().invoke(app, ["keys", "ls"])

    assert result.exit_code == 1
    assert result.stderr.startswith("ossfn: ")
    assert "Traceback" not in result.stderr
