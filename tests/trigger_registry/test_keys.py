"""Access keys: shown once, derived not stored, gone when taken back."""

import itertools
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.keys import AccessKey, KeyRing


def ring(folder: Path, *, local_key: bool = False, master: str = "master.key") -> KeyRing:
    times = itertools.count(1000)
    url = f"sqlite:///{folder}/registry.db"
    return KeyRing(url, folder / master, clock=lambda: float(next(times)), local_key=local_key)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyRing]:
    keys = ring(tmp_path)
    keys.open()
    yield keys
    keys.close()


def test_add_ls_find_rm(keys: KeyRing) -> None:
    first, secret = keys.add("alice")
    second, other = keys.add("bob")
    assert len(first.access_key) == 20
    assert secret != other
    assert keys.ls() == [AccessKey(first.access_key, "alice", 1000.0), AccessKey(second.access_key, "bob", 1001.0)]
    found = keys.find(first.access_key)
    assert found is not None
    assert (found.owner, found.secret) == ("alice", secret)
    assert secret not in repr(found)
    assert keys.rm(first.access_key)
    assert not keys.rm(first.access_key)
    assert keys.find(first.access_key) is None
    assert keys.ls() == [second]


def test_no_secret_is_stored_and_the_master_key_is_private(keys: KeyRing, tmp_path: Path) -> None:
    _, secret = keys.add("alice")
    keys.close()
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "alice" in dump
    assert secret not in dump
    assert (tmp_path / "master.key").read_text() not in dump
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


def test_keys_outlive_the_process(keys: KeyRing, tmp_path: Path) -> None:
    key, secret = keys.add("alice")
    again = ring(tmp_path)
    again.open()
    found = again.find(key.access_key)
    again.close()
    assert found is not None
    assert found.secret == secret


def test_the_local_key_is_good_until_one_is_made(tmp_path: Path) -> None:
    keys = ring(tmp_path, local_key=True)
    keys.open()
    found = keys.find("ossfn")
    assert found is not None
    assert (found.owner, found.secret) == ("ossfn", "ossfn-local")
    key, _ = keys.add("alice")
    assert keys.find("ossfn") is None
    keys.rm(key.access_key)
    assert keys.find("ossfn") is not None
    keys.close()


def test_no_local_key_unless_asked_for(keys: KeyRing) -> None:
    assert keys.find("ossfn") is None


def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text("00" * 32)
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        ring(tmp_path).open()


@pytest.mark.parametrize("content", ["", "short"])
def test_a_broken_master_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "master.key").write_text(content)
    (tmp_path / "master.key").chmod(0o600)
    with pytest.raises(ValueError, match="no master key"):
        ring(tmp_path).open()


def test_nothing_is_derived_before_the_ring_is_open(keys: KeyRing, tmp_path: Path) -> None:
    unopened = ring(tmp_path)
    with pytest.raises(RuntimeError):
        unopened.add("alice")
    unopened.close()


def test_a_key_needs_an_owner(keys: KeyRing) -> None:
    with pytest.raises(ValueError, match="owner"):
        keys.add("")


def test_another_machines_master_key_is_noticed(keys: KeyRing, tmp_path: Path) -> None:
    key, _ = keys.add("alice")
    elsewhere = ring(tmp_path, master="other.key")
    elsewhere.open()
    with pytest.raises(RegistryUnavailable, match="another master key"):
        elsewhere.find(key.access_key)
    elsewhere.close()


def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_bytes(b"this is no database" * 100)
    keys = ring(tmp_path)
    with pytest.raises(RegistryUnavailable):
        keys.open()
    keys.close()


OPEN_AND_ADD = """
import sys, time
from pathlib import Path
from ossfn.trigger_registry.keys import KeyRing
folder = Path(sys.argv[1])
keys = KeyRing(f"sqlite:///{folder}/registry.db", folder / "master.key", clock=time.time)
keys.open()
keys.add("alice")
keys.close()
"""


@pytest.mark.slow
def test_many_processes_may_open_at_once_and_share_one_master_key(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", OPEN_AND_ADD, str(tmp_path)]) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    keys = ring(tmp_path)
    keys.open()
    assert len([keys.find(key.access_key) for key in keys.ls()]) == 6
    keys.close()
