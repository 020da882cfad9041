"""Rules in a SQL database, one JSON document per bucket and generation."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from alembic.util import CommandError
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from ossfn.trigger_registry.changes import Change, Revision
from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.rules import Bucket, NamedCallback
from ossfn.trigger_registry.stores import documents
from ossfn.trigger_registry.stores.engine import connect, migrate, writing
from ossfn.trigger_registry.stores.schema import BUCKETS, CALLBACKS, HISTORY, STATE, USES
from ossfn.trigger_registry.targets import uses

GENERATIONS_KEPT = 1000
"""Of each bucket, beside the present one; what is older is forgotten."""


class SqlRuleStore:
    """A `RuleStore` on any database that SQLAlchemy reaches, e.g. `sqlite:////var/lib/ossfn/registry.db`."""

    def __init__(self, url: str) -> None:
        self._engine = connect(url)
        self._writing = writing(self._engine)

    def open(self) -> None:
        """Make or migrate the tables. Raises: RegistryUnavailable."""
        with _unavailable():
            migrate(self._engine)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def changed_since(self, counter: int) -> tuple[int, Sequence[Revision]]:
        """The change counter now, and every bucket that changed after it stood at `counter`."""
        with _unavailable(), self._engine.begin() as connection:
            now = connection.execute(select(STATE.c.changes)).scalar_one()
            if now == counter:
                return now, ()
            return now, [_revision(row) for row in connection.execute(_PRESENT.where(BUCKETS.c.changed > counter))]

    def history(self, bucket: str, limit: int) -> list[Change]:
        """The bucket's latest changes, newest first."""
        query = select(HISTORY).where(HISTORY.c.bucket == bucket).order_by(HISTORY.c.generation.desc())
        with _unavailable(), self._engine.begin() as connection:
            rows = list(connection.execute(query.limit(limit + 1)))  # one more: the state before the oldest shown
        after = [documents.read(row.document) if row.document else None for row in rows]
        before = [*after[1:], None]
        return [
            Change(row.generation, row.at, row.actor, row.action, before[i], after[i])
            for i, row in enumerate(rows[:limit])
        ]

    def callbacks(self) -> list[NamedCallback]:
        """Every named callback, by name."""
        with _unavailable(), self._engine.begin() as connection:
            return [_callback(row) for row in connection.execute(select(CALLBACKS).order_by(CALLBACKS.c.name))]

    @contextmanager
    def write(self) -> Iterator["SqlTransaction"]:
        """Everything done inside is kept when the block ends, or nothing when it raises; other writers wait."""
        with _unavailable(), self._writing.begin() as connection:
            changes = connection.execute(select(STATE.c.changes).with_for_update()).scalar_one()
            yield SqlTransaction(connection, changes + 1)


class SqlTransaction:
    """One change under way."""

    def __init__(self, connection: Connection, change: int) -> None:
        self._connection = connection
        self._change = change

    def revision(self, bucket: str, generation: int | None = None) -> Revision | None:
        """The bucket at a generation, or as it stands; None when there never was that."""
        query = _PRESENT.where(BUCKETS.c.name == bucket)
        if generation is not None:
            query = select(HISTORY).where(HISTORY.c.bucket == bucket, HISTORY.c.generation == generation)
        row = self._connection.execute(query).one_or_none()
        return _revision(row) if row else None

    def keep(self, revision: Revision, *, at: float, actor: str, action: str) -> None:
        """Make this the bucket's present state."""
        bucket, name = revision.bucket, revision.name
        present = {"name": name, "generation": revision.generation, "changed": self._change}
        replaced = self._connection.execute(update(BUCKETS).where(BUCKETS.c.name == name).values(present))
        if not replaced.rowcount:
            self._connection.execute(insert(BUCKETS).values(present))
        line = {"bucket": name, "generation": revision.generation, "at": at, "actor": actor, "action": action}
        document = documents.write(bucket) if bucket else None
        self._connection.execute(insert(HISTORY).values(line | {"document": document}))
        too_old = HISTORY.c.generation < revision.generation - GENERATIONS_KEPT
        self._connection.execute(delete(HISTORY).where(HISTORY.c.bucket == name, too_old))
        self._connection.execute(update(STATE).values(changes=self._change))
        self._file(name, bucket)

    def _file(self, name: str, bucket: Bucket | None) -> None:
        self._connection.execute(delete(USES).where(USES.c.bucket == name))
        rows = [
            {"bucket": name, "rule": rule.name, "used": used}
            for rule in (bucket.rules if bucket else ())
            for used in uses(rule)
        ]
        if rows:
            self._connection.execute(insert(USES), rows)

    def users(self, used: Collection[str]) -> list[tuple[str, str, str]]:
        """(what, bucket, rule) for every rule that uses one of these `users_key`s."""
        query = select(USES.c.used, USES.c.bucket, USES.c.rule).where(USES.c.used.in_(used))
        return [(row.used, row.bucket, row.rule) for row in self._connection.execute(query.order_by(*USES.c))]

    def callback(self, name: str) -> NamedCallback | None:
        """The callback that has this name."""
        row = self._connection.execute(select(CALLBACKS).where(CALLBACKS.c.name == name)).one_or_none()
        return _callback(row) if row else None

    def put_callback(self, callback: NamedCallback) -> None:
        """Keep it, in place of one that has its name."""
        self.delete_callback(callback.name)
        urls = msgspec.json.encode(callback.urls).decode()
        self._connection.execute(insert(CALLBACKS).values(name=callback.name, region=callback.region, urls=urls))

    def delete_callback(self, name: str) -> None:
        """Forget it, when there is one."""
        self._connection.execute(delete(CALLBACKS).where(CALLBACKS.c.name == name))


_PRESENT = select(HISTORY).join(
    BUCKETS, (BUCKETS.c.name == HISTORY.c.bucket) & (BUCKETS.c.generation == HISTORY.c.generation)
)


def _revision(row: Row[tuple[object, ...]]) -> Revision:
    return Revision(row.bucket, row.generation, documents.read(row.document) if row.document else None)


def _callback(row: Row[tuple[object, ...]]) -> NamedCallback:
    return NamedCallback(row.name, msgspec.json.decode(row.urls, type=tuple[str, ...]), row.region)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, CommandError, msgspec.MsgspecError) as error:
        reason = getattr(error, "orig", None) or error
        raise RegistryUnavailable(f"The registry's database cannot be used now: {reason}") from error
