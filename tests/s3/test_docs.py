"""docs/trigger-registration-api.md: its examples run as they stand, its table of errors is complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ossfn.trigger_registry.s3_errors import STANDARD

from .conftest import Endpoint

PAGE = (Path(__file__).parents[2] / "docs" / "trigger-registration-api.md").read_text(encoding="utf-8")


def example(client: str) -> str:
    """The code below the heading that names the client."""
    found = re.search(rf"^### {client}\n.*?^```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.slow
@pytest.mark.parametrize("client", ["boto3", "minio-py", "aws cli", "s3cmd"])
def test_examples(client: str, s3: Endpoint, tmp_path: Path) -> None:
    code = example(client).replace("127.0.0.1:8451", s3.url.removeprefix("http://"))
    tools = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    shell = ["bash", "-O", "expand_aliases", "-ec"]
    interpreter = [sys.executable, "-c"] if "import" in code else shell
    done = subprocess.run([*interpreter, code], env=tools, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "thumbs-of-photos" in done.stdout
    (rule,) = s3.registry.match("album", "s3:ObjectCreated:Put", "photos/a.jpg").rules
    assert (rule.name, rule.function) == ("thumbs-of-photos", "thumbs")


def test_every_error_is_in_the_table() -> None:
    table = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert {code: int(status) for code, status in table} == {code: status for code, (status, _) in STANDARD.items()}
