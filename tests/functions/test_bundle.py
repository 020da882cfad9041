"""Packing an author's folder, and taking zips from people who may mean no good."""

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.functions import bundle
from ossfn.functions.bundle import pack, read_bundle
from ossfn.functions.errors import FunctionRefused


def entry(name: str, data: bytes = b"x", *, mode: int = 0, flags: int = 0, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip with one member, spelled exactly so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        info.external_attr = mode << 16
        info.compress_type = method
        archive.writestr(info, data)
    raw = bytearray(buffer.getvalue())
    raw[raw.index(b"PK\1\2") + 8] |= flags
    return bytes(raw)


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "author"
    for name in ("main.py", "lib/a.py", "图片/空 格.txt", ".git/config", "__pycache__/main.pyc", ".venv/bin/python"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    return folder


def test_a_folder_arrives_as_it_was_without_caches(tmp_path: Path) -> None:
    read_bundle(pack(folder_of(tmp_path))).unpack(tmp_path / "there")
    arrived = {p.relative_to(tmp_path / "there").as_posix() for p in (tmp_path / "there").rglob("*") if p.is_file()}
    assert arrived == {"main.py", "lib/a.py", "图片/空 格.txt", "tool.sh"}
    assert (tmp_path / "there/lib/a.py").read_text() == "lib/a.py"
    assert (tmp_path / "there/tool.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "there/main.py").stat().st_mode & 0o777 == 0o644


def test_the_same_files_are_the_same_bundle(tmp_path: Path) -> None:
    first = pack(folder_of(tmp_path))
    (tmp_path / "author/main.py").touch()
    assert read_bundle(pack(tmp_path / "author")).sha256 == read_bundle(first).sha256
    (tmp_path / "author/main.py").write_text("other")
    assert read_bundle(pack(tmp_path / "author")).sha256 != read_bundle(first).sha256


def test_a_link_inside_is_packed_as_its_file_and_one_outside_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "alias.py").symlink_to("main.py")
    assert read_bundle(pack(folder)).text("alias.py") == "main.py"
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(FunctionRefused, match="outside"):
        pack(folder)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunctionRefused, match="is not a folder"):
        pack(tmp_path / "nothing")


def test_a_text_file_is_read_and_a_missing_one_is_none(zipped: Callable[..., bytes]) -> None:
    read = read_bundle(zipped({"functions.toml": "\ufeffa = 1"}))
    assert read.text("functions.toml") == "a = 1"
    assert read.text("requirements.txt") is None


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a\\..\\x", "..", ""])
def test_a_name_that_leads_outside_is_refused(name: str) -> None:
    with pytest.raises(FunctionRefused, match="must stay inside"):
        read_bundle(entry(name))


@pytest.mark.parametrize(
    ("zip_bytes", "says"),
    [
        (b"hello", "not a zip file"),
        (b"", "not a zip file"),
        (entry("a", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "link or a special file"),
        (entry("a", mode=stat.S_IFIFO | 0o644), "link or a special file"),
        (entry("a", flags=1), "encrypted"),
        (entry("a", method=zipfile.ZIP_LZMA), "another way than deflate"),
    ],
)
def test_what_is_no_plain_zip_of_files_is_refused(zip_bytes: bytes, says: str) -> None:
    with pytest.raises(FunctionRefused, match=says):
        read_bundle(zip_bytes)


def test_the_caps_hold_before_anything_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, zipped: Callable[..., bytes], tmp_path: Path
) -> None:
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(str(number), bytes(100 * 1024 * 1024))
    assert len(zeros.getvalue()) < 1024 * 1024
    with pytest.raises(FunctionRefused, match="250 MiB unzipped"):
        read_bundle(zeros.getvalue())
    monkeypatch.setattr(bundle, "FILES", 2)
    with pytest.raises(FunctionRefused, match="at most 2 files"):
        read_bundle(zipped({"a": "", "b": "", "c": ""}))
    monkeypatch.setattr(bundle, "ZIPPED_BYTES", 10)
    with pytest.raises(FunctionRefused, match="zipped"):
        read_bundle(zipped({"a": ""}))
    monkeypatch.setattr(bundle, "UNZIPPED_BYTES", 5)
    with pytest.raises(FunctionRefused, match="holds more than"):
        pack(folder_of(tmp_path))


def test_a_name_that_is_both_file_and_folder_is_refused(zipped: Callable[..., bytes], tmp_path: Path) -> None:
    with pytest.raises(FunctionRefused, match="cannot be unpacked"):
        read_bundle(zipped({"a": "x", "a/b": "y"})).unpack(tmp_path / "there")


@given(st.data())
def test_damage_is_refused_or_does_no_harm(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("main.py", "print('hello')" * 20)
        archive.writestr("lib/a.py", "x = 1")
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    root = tmp_path_factory.mktemp("damaged")
    try:
        read = read_bundle(bytes(raw))
        read.text("main.py")
        read.unpack(root / "there")
    except FunctionRefused:
        pass
    assert {path.name for path in root.iterdir()} <= {"there"}
