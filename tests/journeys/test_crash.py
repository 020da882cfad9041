"""The service is killed 30 times under load, each time losing what was not synced: nothing that it took is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_thirty_kills_lose_nothing() -> None:
    command = [sys.executable, "-m", "soak", "--kills", "30", "--seed", "2611"]
    command += ["--power-cuts"] if shutil.which("cc") or shutil.which("gcc") else []
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=300, check=False
    )
    sys.stdout.write(done.stdout)  # how many were repeated, for whoever reads the log
    assert done.returncode == 0, done.stdout + done.stderr
