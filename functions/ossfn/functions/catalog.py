"""What is deployed, kept in SQL: functions, the version that serves, and the versions to go back to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from ossfn.functions import tables
from ossfn.functions.model import Function, Remote, Version

# JD Cloud Function Service, Restrictions: 10 versions per function. There the 11th is refused; here the oldest one that
# does not serve and has no alias makes room, so that deploying never stops working.
VERSIONS_KEPT = 10


class Catalog:
    """Reads and writes what is deployed; blocking, safe to call from several threads.

    `url` is an SQLAlchemy one; its tables are made or migrated by `open`.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)

    def open(self) -> None:
        """Make the tables, or bring them to this release's form."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def functions(self) -> Sequence[Function]:
        """Every function, by name."""
        t, v = tables.functions, tables.versions
        serving = sa.and_(v.c.function == t.c.name, v.c.number == t.c.active)
        query = sa.select(t, v.c.version).select_from(t.outerjoin(v, serving)).order_by(t.c.name)
        with self._engine.connect() as connection:
            return [_function(row) for row in connection.execute(query)]

    def versions(self, name: str) -> Sequence[Version]:
        """A function's versions, newest first; none for a remote or unknown one."""
        v = tables.versions
        query = sa.select(v.c.version).where(v.c.function == name).order_by(v.c.number.desc())
        with self._engine.connect() as connection:
            return [msgspec.convert(version, Version) for version in connection.scalars(query)]

    def put_version(self, function: Function, version: Version) -> Sequence[Version]:
        """Let `function` serve `version`, kept from now on if it was not; returns the versions that made room."""
        v = tables.versions
        row = {"function": function.name, "number": version.number, "version": msgspec.to_builtins(version)}
        with self._engine.begin() as connection:
            connection.execute(sa.delete(v).where(v.c.function == function.name, v.c.number == version.number))
            connection.execute(sa.insert(v).values(row))
            _put(connection, function)
            return _make_room(connection, function.name, version.number)

    def put_remote(self, function: Function) -> None:
        """Keep a remote function."""
        with self._engine.begin() as connection:
            _put(connection, function)

    def delete(self, name: str) -> None:
        """Forget a function and its versions."""
        with self._engine.begin() as connection:
            for table in (tables.versions, tables.aliases):
                connection.execute(sa.delete(table).where(table.c.function == name))
            connection.execute(sa.delete(tables.functions).where(tables.functions.c.name == name))

    def aliases(self, name: str) -> Mapping[str, int]:
        """The numbers of the function's versions that have names, by these."""
        with self._engine.connect() as connection:
            return _aliases(connection, name)

    def put_alias(self, name: str, alias: str, number: int | None) -> None:
        """Let `alias` stand for a version; None takes it away."""
        t = tables.aliases
        with self._engine.begin() as connection:
            connection.execute(sa.delete(t).where(t.c.function == name, t.c.alias == alias))
            if number is not None:
                connection.execute(sa.insert(t).values(function=name, alias=alias, number=number))

    def requirements(self) -> frozenset[str]:
        """The keys of all Python environments that some version needs."""
        with self._engine.connect() as connection:
            kept = [
                msgspec.convert(version, Version)
                for version in connection.scalars(sa.select(tables.versions.c.version))
            ]
        return frozenset(version.requirements for version in kept if version.requirements)


def _put(connection: sa.Connection, function: Function) -> None:
    t = tables.functions
    connection.execute(sa.delete(t).where(t.c.name == function.name))
    connection.execute(sa.insert(t).values(_row(function)))


def _make_room(connection: sa.Connection, name: str, serving: int) -> Sequence[Version]:
    v = tables.versions
    query = sa.select(v.c.version).where(v.c.function == name).order_by(v.c.number.desc())
    kept = [msgspec.convert(version, Version) for version in connection.scalars(query)]
    needed = {serving, *_aliases(connection, name).values()}
    gone = [version for version in kept[VERSIONS_KEPT:] if version.number not in needed]
    numbers = [version.number for version in gone]
    connection.execute(sa.delete(v).where(v.c.function == name, v.c.number.in_(numbers)))
    return gone


def _aliases(connection: sa.Connection, name: str) -> dict[str, int]:
    t = tables.aliases
    query = sa.select(t.c.alias, t.c.number).where(t.c.function == name).order_by(t.c.alias)
    return {row.alias: row.number for row in connection.execute(query)}


def _row(function: Function) -> dict[str, object]:
    runs = function.runs
    return {
        "name": function.name,
        "active": runs.number if isinstance(runs, Version) else None,
        "remote": msgspec.to_builtins(runs) if isinstance(runs, Remote) else sa.null(),
        "created_at": function.created_at,
        "updated_at": function.updated_at,
    }


def _function(row: sa.Row[tuple[object, ...]]) -> Function:
    runs = msgspec.convert(row.version, Version) if row.remote is None else msgspec.convert(row.remote, Remote)
    return Function(row.name, runs, row.created_at, row.updated_at)
