"""What `init` writes works at once: it deploys, its own tests pass, and it is tidy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ossfn.functions.bundle import pack, read_bundle
from ossfn.functions.errors import FunctionRefused
from ossfn.functions.jd_template import read_template
from ossfn.functions.resolve import resolve
from ossfn.functions.scaffold import KINDS, Kind, scaffold, write

PLUGIN = ["-p", "no:cacheprovider", "-p", "ossfn.functions.testing"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path, kind: Kind) -> Path:
    write(tmp_path / "thumbs", scaffold(kind, "thumbs"))
    return tmp_path / "thumbs"


def test_it_can_be_deployed(folder: Path, kind: Kind) -> None:
    options = dict(read_template((folder / "template.yaml").read_text()).options) if kind == "jd" else {}
    version = resolve(1, read_bundle(pack(folder)), options, actor="", now=0.0)
    assert version.entry_point == ("index.handler" if kind == "jd" else "handle")
    assert version.requirements is None if kind == "jd" else version.requirements
    if kind not in ("http", "jd"):
        assert f"--target handle --signature-type {version.signature_type}" in (folder / "Procfile").read_text()


def test_it_is_tidy(folder: Path) -> None:
    assert "thumbs" in (folder / "README.md").read_text()
    assert "$" not in (folder / "README.md").read_text()
    assert json.loads((folder / "event.json").read_text())
    for words in (["check", "--isolated"], ["format", "--check", "--isolated", "--line-length=120"]):
        done = subprocess.run(["ruff", *words, str(folder)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_its_own_tests_pass(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", *PLUGIN, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_nothing_is_written_over(folder: Path, kind: Kind) -> None:
    (folder / "event.json").write_text("mine")
    with pytest.raises(FunctionRefused, match="choose another folder"):
        write(folder, scaffold(kind, "thumbs"))
    assert (folder / "event.json").read_text() == "mine"


def test_a_name_that_cannot_be_deployed_is_refused_at_once() -> None:
    with pytest.raises(FunctionRefused, match="not a function name"):
        scaffold("http", "1st")
