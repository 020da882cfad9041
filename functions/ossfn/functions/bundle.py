"""An author's folder on its way here: packed into a zip at one end, checked and unpacked at the other."""

import hashlib
import io
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ossfn.functions.errors import Fault, FunctionRefused

# JD Cloud Function Service, Restrictions: 50 MB zipped, 250 MB unzipped. The number of files is ours.
ZIPPED_BYTES = 50 * 1024 * 1024
UNZIPPED_BYTES = 250 * 1024 * 1024
FILES = 20_000
TEXT_BYTES = 4 * 1024 * 1024
"""The largest file of a bundle that we read ourselves."""

CONFIG_FILE = "functions.toml"
REQUIREMENTS_FILE = "requirements.txt"
STATE_FOLDER = ".ossfn"
"""What a function keeps beside its code while it is being written; no part of it."""

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
"""What zipfile raises when bytes are not what a header says."""

_VERSION_CONTROL = {".git", ".hg", ".svn"}
_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
LEFT_OUT = _VERSION_CONTROL | _CACHES | {".venv", "venv", "node_modules", STATE_FOLDER}


def pack(folder: Path) -> bytes:
    """The folder as a zip, the same bytes for the same files; caches and virtual environments stay out."""
    buffer = io.BytesIO()
    size = 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder):
            size += path.stat().st_size
            if size > UNZIPPED_BYTES:
                raise _refused(f"{folder} holds more than {UNZIPPED_BYTES >> 20} MiB")
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            info.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise _refused(f"{folder} is not a folder")
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if LEFT_OUT.intersection(path.relative_to(folder).parts) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(root):
            raise _refused(f"{path} is a link to something outside {folder}: copy the file into the folder")
        yield path


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip that was checked: its names stay inside the folder it is unpacked to and its size under the caps."""

    sha256: str
    archive: zipfile.ZipFile = field(repr=False)

    def text(self, name: str) -> str | None:
        """A file of the bundle as text; None when there is none."""
        try:
            info = self.archive.getinfo(name)
        except KeyError:
            return None
        if info.file_size > TEXT_BYTES:
            raise _refused(f"{name} has more than {TEXT_BYTES >> 20} MiB")
        try:
            return self._read(info).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _refused(f"{name} cannot be read: {error}") from None

    def code(self) -> Iterator[bytes]:
        """Every Python file that is not too large to be read by us."""
        for info in self.archive.infolist():
            if info.filename.endswith(".py") and info.file_size <= TEXT_BYTES:
                yield self._read(info)

    def unpack(self, folder: Path) -> None:
        """Write every file below `folder`, which is made."""
        folder.mkdir(parents=True)
        for info in self.archive.infolist():
            path = folder / info.filename
            try:
                self._write(info, path)
            except (FileExistsError, NotADirectoryError, IsADirectoryError, *DAMAGED) as error:
                raise _refused(f"{info.filename} cannot be unpacked: {error}") from None

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        try:
            return self.archive.read(info)
        except DAMAGED as error:
            raise _refused(f"{info.filename} cannot be read: {error}") from None

    def _write(self, info: zipfile.ZipInfo, path: Path) -> None:
        if info.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.archive.open(info) as packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file)
        path.chmod(0o755 if (info.external_attr >> 16) & 0o100 else 0o644)


def read_bundle(zipped: bytes) -> Bundle:
    """Check a zip as it came from outside, before anything of it is written."""
    if len(zipped) > ZIPPED_BYTES:
        raise _refused(f"{len(zipped)} bytes; at most {ZIPPED_BYTES >> 20} MiB zipped are taken")
    try:
        archive = zipfile.ZipFile(io.BytesIO(zipped))
    except DAMAGED as error:
        raise _refused(f"not a zip file: {error}") from None
    infos = archive.infolist()
    if len(infos) > FILES or sum(info.file_size for info in infos) > UNZIPPED_BYTES:
        raise _refused(f"at most {FILES} files and {UNZIPPED_BYTES >> 20} MiB unzipped are taken")
    if faults := [Fault("bundle", why) for info in infos if (why := _wrong(info))]:
        raise FunctionRefused(faults)
    return Bundle(hashlib.sha256(zipped).hexdigest(), archive)


def _wrong(info: zipfile.ZipInfo) -> str:
    parts = PurePosixPath(info.filename).parts
    if (
        not parts
        or info.filename.startswith("/")
        or ".." in parts
        or "\\" in info.filename
        or "\0" in info.orig_filename
    ):
        return f"{info.orig_filename!r}: a name must stay inside the bundle"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"{info.filename!r} is a link or a special file: put the file itself in"
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{info.filename!r} is encrypted, or compressed in another way than deflate"
    return ""


def _refused(why: str) -> FunctionRefused:
    return FunctionRefused([Fault("bundle", why)])
