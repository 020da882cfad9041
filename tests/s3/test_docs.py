"""docs/trigger-registration-api.md: its examples run as they stand, its table of errors is complete."""

import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.s3_errors import STANDARD

from .conftest import Endpoint

PAGE = (Path(__file__).parents[2] / "docs" / "trigger-registration-api.md").read_text(encoding="utf-8")


def example(client: str) -> str:
    """The code below the heading that names the client."""
    found = re.search(rf"^### {client}\n.*?^```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="session")
def npm() -> Path:
    """Where Node finds the clients; installed once and kept."""
    folder = Path(__file__).parents[2] / ".dev" / "npm"
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "minio").exists():
        install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder)]
        try:
            subprocess.run([*install, "@aws-sdk/client-s3@3", "minio@8"], timeout=60, check=True)
        except subprocess.SubprocessError as fault:
            pytest.skip(f"the JavaScript clients cannot be installed from npm: {fault}")
    return folder


def run(command: list[str], folder: Path, home: Path) -> str:
    """What an example prints."""
    tools = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(home)}
    done = subprocess.run(command, env=tools, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def its_rule(s3: Endpoint) -> tuple[str, str | None]:
    (rule,) = s3.registry.match("album", "s3:ObjectCreated:Put", "photos/a.jpg").rules
    return rule.name, rule.function


@pytest.mark.slow
@pytest.mark.parametrize("client", ["boto3", "minio-py", "aws cli", "s3cmd"])
def test_examples(client: str, s3: Endpoint, tmp_path: Path) -> None:
    code = example(client).replace("127.0.0.1:8451", s3.url.removeprefix("http://"))
    shell = ["bash", "-O", "expand_aliases", "-ec"]
    interpreter = [sys.executable, "-c"] if "import" in code else shell
    assert "thumbs-of-photos" in run([*interpreter, code], tmp_path, tmp_path)
    assert its_rule(s3) == ("thumbs-of-photos", "thumbs")


@pytest.mark.slow
@pytest.mark.parametrize("client", ["AWS SDK for JavaScript v3", "minio-js"])
def test_javascript_examples(client: str, s3: Endpoint, npm: Path, tmp_path: Path) -> None:
    code = example(client).replace("http://127.0.0.1:8451", s3.url)
    assert "thumbs-of-photos" in run(["node", "--input-type=module", "--eval", code], npm, tmp_path)
    assert its_rule(s3) == ("thumbs-of-photos", "thumbs")


@pytest.mark.slow
def test_ruby_example(s3: Endpoint, tmp_path: Path) -> None:
    known = shutil.which("ruby") and subprocess.run(["ruby", "-e", "require 'aws-sdk-s3'"], check=False).returncode == 0
    if not known:
        pytest.skip("Ruby or its aws-sdk-s3 is not installed (Debian: ruby-aws-sdk-s3)")
    code = example("AWS SDK for Ruby").replace("http://127.0.0.1:8451", s3.url)
    assert "thumbs-of-photos" in run(["ruby", "-e", code], tmp_path, tmp_path)
    assert its_rule(s3) == ("thumbs-of-photos", "thumbs")


def test_every_limit_is_in_the_table() -> None:
    table = re.findall(r"^\| `(\w+)` \| `?([\w-]+)`? \|", PAGE.partition("## Limits")[2], re.MULTILINE)
    limits = asdict(Limits()) | {"function_regions": "cn-north-1"}
    assert dict(table[: len(limits)]) == {name: str(value) for name, value in limits.items()}


def test_every_error_is_in_the_table() -> None:
    table = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.partition("## Errors")[2], re.MULTILINE)
    assert {code: int(status) for code, status in table} == {code: status for code, (status, _) in STANDARD.items()}
