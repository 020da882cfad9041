"""The commands in the README do what it says, run as they stand there but for the ports."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.conftest import Running, running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """What `./dev up` starts."""
    with running(tmp_path / "data", log_level="error") as service:
        yield service


def shell(commands: str, service: Running, folder: Path) -> str:
    """What bash prints when it runs these commands."""
    url = str(service.http.base_url).rstrip("/")
    commands = commands.replace("./dev run ", "").replace("http://127.0.0.1:8450", url)
    commands = commands.replace("127.0.0.1:8451", f"127.0.0.1:{service.s3_port}")
    env = os.environ | {"OSSFN_SERVER": url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-eu", "-c", commands], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_readme_gets_a_stranger_from_nothing_to_a_called_function(service: Running, tmp_path: Path) -> None:
    using = (ROOT / "README.md").read_text().partition("## Use it")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", using, re.DOTALL)
    up, deploy, rule, notify = blocks
    assert up.startswith("./dev up ")
    shell(deploy + rule, service, tmp_path)
    post, *asked = notify.split("./dev run ")
    assert '"deliveries":1' in shell(post, service, tmp_path)
    service.until(lambda: service.stats()["delivered"] == 1)
    logs, deliveries, explained = (shell(command, service, tmp_path) for command in asked)
    assert "got in/cat 1.jpg 12" in logs
    assert "delivered" in deliveries
    assert "in/cat 1.jpg" in deliveries
    assert "matched" in explained


def test_every_page_that_the_readme_names_is_there() -> None:
    for page in re.findall(r"\]\(([^)h][^)]*)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / page).exists(), page
