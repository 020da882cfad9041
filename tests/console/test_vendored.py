"""The scripts of others that the console brings along: exactly what their makers published, with their licences."""

from hashlib import sha256
from pathlib import Path

from ossfn.adapter.web.console import pages

VENDORED = pages.STATIC / "vendor"


def test_every_file_is_the_one_that_was_checked_in() -> None:
    lines = [line.split() for line in (VENDORED / "SHA256SUMS").read_text().splitlines()]
    assert {name: digest for digest, name in lines} == {
        file.name: sha256(file.read_bytes()).hexdigest() for file in published()
    }


def test_every_script_comes_with_its_licence() -> None:
    for file in published():
        licence = VENDORED / f"{file.name.partition('-')[0]}-LICENSE"
        assert "Permission" in licence.read_text()


def published() -> list[Path]:
    """The files of others."""
    return [file for file in VENDORED.iterdir() if file.name not in ("SHA256SUMS", "README.md")]
