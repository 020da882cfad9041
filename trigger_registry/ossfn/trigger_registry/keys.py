"""Access keys of the S3 notification API: who holds one, and the secret that goes with it, derived and never stored."""

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, Float, MetaData, Row, String, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.stores.engine import connect, writing

LOCAL_ACCESS_KEY = "ossfn"
LOCAL_SECRET = "ossfn-local"  # noqa: S105 - open to all on purpose: it counts on loopback only, and until a key is made

MASTER_KEY_BYTES = 64
"""32 random bytes in hexadecimal."""

_keys = Table(
    "ossfn_access_keys",
    MetaData(),
    Column("access_key", String(128), primary_key=True),
    Column("owner", String(256), nullable=False),
    # Which master key the secret comes from, so that a machine with another one says so.
    Column("master", String(16), nullable=False),
    Column("created_at", Float(53), nullable=False),
)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key as it may be listed; buckets belong to the owner, who may have many keys."""

    access_key: str
    owner: str
    created_at: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request is checked against."""

    access_key: str
    owner: str
    secret: str = field(repr=False)


class KeyRing:
    """The keys of one registry, in its own SQL store.

    A secret is HMAC-SHA256 of the access key under a master key, the one secret that is kept: a file of mode 0600.
    Machines that share a registry need the same file; whoever loses it makes new keys. With `local_key`, the
    well-known pair `ossfn` / `ossfn-local` is good as long as no key is made: for loopback only.

    All methods are safe to call from many threads, and raise RegistryUnavailable when the store does not answer.
    """

    def __init__(
        self, store_url: str, master_key_file: Path, *, clock: Callable[[], float], local_key: bool = False
    ) -> None:
        self._engine = connect(store_url)
        self._master_key_file = master_key_file
        self._clock = clock
        self._local_key = local_key
        self._master = b""

    def open(self) -> None:
        """Make what is missing: the table and the master key.

        Raises PermissionError when others may read the key's file, ValueError when it is too short to be one.
        """
        self._master = _master_key(self._master_key_file)
        with self._writing() as connection:
            connection.execute(CreateTable(_keys, if_not_exists=True))

    def close(self) -> None:
        """Let the store go."""
        self._engine.dispose()

    def add(self, owner: str) -> tuple[AccessKey, str]:
        """A new key and its secret, to be shown once: no list holds it. Raises ValueError when the owner is empty."""
        if not owner:
            raise ValueError("an access key needs an owner: buckets without one are open to every key")
        random = base64.b32encode(secrets.token_bytes(10)).decode()
        key = AccessKey(f"OSFN{random}", owner, self._clock())
        row = {"access_key": key.access_key, "owner": owner, "master": self._fingerprint, "created_at": key.created_at}
        with self._writing() as connection:
            connection.execute(insert(_keys).values(row))
        return key, self._secret(key.access_key)

    def ls(self) -> list[AccessKey]:
        """Every key, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(select(_keys).order_by(_keys.c.created_at, _keys.c.access_key)).all()
        return [AccessKey(row.access_key, row.owner, row.created_at) for row in rows]

    def rm(self, access_key: str) -> bool:
        """Take a key back; it is refused from the next request on. False when there is no such key."""
        with self._writing() as connection:
            return connection.execute(delete(_keys).where(_keys.c.access_key == access_key)).rowcount == 1

    def find(self, access_key: str) -> Credential | None:
        """The key when it is good now, with its secret; else None."""
        with self._reading() as connection:
            row = connection.execute(select(_keys).where(_keys.c.access_key == access_key)).first()
            alone = self._local_key and access_key == LOCAL_ACCESS_KEY and self._none_made(connection)
        if row is not None:
            return Credential(access_key, row.owner, self._secret_of(row))
        return Credential(LOCAL_ACCESS_KEY, LOCAL_ACCESS_KEY, LOCAL_SECRET) if alone else None

    def derived(self, purpose: str) -> bytes:
        """A secret of 32 bytes for a purpose: the same wherever the master key is, no help in finding another one."""
        if not self._master:
            raise RuntimeError("the key ring is not open")
        return hmac.digest(self._master, purpose.encode(), hashlib.sha256)

    def _secret_of(self, row: Row[tuple[str, str, str, float]]) -> str:
        if row.master != self._fingerprint:
            raise RegistryUnavailable(
                f"access key {row.access_key} was made with another master key than {self._master_key_file}: "
                "copy that file from the machine that made the key"
            )
        return self._secret(row.access_key)

    def _none_made(self, connection: Connection) -> bool:
        return connection.execute(select(_keys.c.access_key).limit(1)).first() is None

    @property
    def _fingerprint(self) -> str:
        return self.derived("which master key").hex()[:16]

    def _secret(self, access_key: str) -> str:
        return base64.urlsafe_b64encode(self.derived(f"secret of {access_key}")).decode().rstrip("=")

    def _reading(self) -> AbstractContextManager[Connection]:
        return _transaction(self._engine)

    def _writing(self) -> AbstractContextManager[Connection]:
        return _transaction(writing(self._engine))


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise RegistryUnavailable(f"the access keys cannot be read or written: {error}") from error


def _master_key(path: Path) -> bytes:
    """What the file holds; when it is missing, the first of many processes makes it, whole at once and durably."""
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".master-key-") as new:  # of mode 0600
            new.write(secrets.token_hex(32).encode())
            new.flush()
            os.fsync(new.fileno())
            with suppress(FileExistsError):
                os.link(new.name, path)
        _sync_directory(path.parent)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} holds the master key and others may read it: chmod 600 {path}")
    key = path.read_bytes().strip()
    if len(key) < MASTER_KEY_BYTES:
        raise ValueError(f"{path} is no master key: put its backup there, or remove it and make new access keys")
    return key


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
