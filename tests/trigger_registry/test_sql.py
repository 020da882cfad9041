"""The SQL store: whole or not at all, one writer at a time, and plain words when it cannot be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from ossfn.trigger_registry.changes import Revision
from ossfn.trigger_registry.errors import RegistryUnavailable
from ossfn.trigger_registry.rules import Bucket
from ossfn.trigger_registry.stores.engine import VERSION_TABLE, connect, migrate
from ossfn.trigger_registry.stores.schema import METADATA
from ossfn.trigger_registry.stores.sql import GENERATIONS_KEPT, SqlRuleStore

REGISTER = Path(__file__).with_name("register.py")
STORES = [
    pytest.param("", id="sqlite"),
    pytest.param(
        os.environ.get("OSSFN_TEST_POSTGRES", ""),
        id="postgres",
        marks=pytest.mark.skipif(
            "OSSFN_TEST_POSTGRES" not in os.environ, reason="OSSFN_TEST_POSTGRES names no database"
        ),
    ),
]


def keep(store: SqlRuleStore, *buckets: Bucket) -> None:
    with store.write() as transaction:
        for bucket in buckets:
            transaction.keep(Revision(bucket.name, bucket.generation, bucket), at=1.0, actor="ann", action="test")


def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    migrate(engine)  # once more changes nothing
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
    engine.dispose()


def test_a_change_that_fails_leaves_nothing(url: str) -> None:
    store = SqlRuleStore(url)
    store.open()
    keep(store, Bucket("one", "cn-north-1", generation=1))
    before = store.changed_since(0)
    with pytest.raises(RegistryUnavailable):
        keep(store, Bucket("two", "cn-north-1", generation=1), Bucket("one", "cn-north-1", generation=1))
    assert store.changed_since(0) == before
    assert len(store.history("one", 10)) == 1
    store.close()


def test_only_what_changed_is_read_again(url: str) -> None:
    store = SqlRuleStore(url)
    store.open()
    for name in ("one", "two"):
        keep(store, Bucket(name, "cn-north-1", generation=1))
    counter, both = store.changed_since(0)
    assert {revision.name for revision in both} == {"one", "two"}
    assert store.changed_since(counter) == (counter, ())
    keep(store, Bucket("two", "cn-north-1", generation=2))
    assert [revision.name for revision in store.changed_since(counter)[1]] == ["two"]
    store.close()


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="unable to open database file"):
        SqlRuleStore(f"sqlite:///{tmp_path}/no/such/folder/registry.db").open()
    (tmp_path / "other.db").write_bytes(b"this is no database, nor was it ever one" * 100)
    with pytest.raises(RegistryUnavailable, match="not a database"):
        SqlRuleStore(f"sqlite:///{tmp_path}/other.db").open()


def test_tables_of_a_later_release_are_left_alone(url: str) -> None:
    store = SqlRuleStore(url)
    store.open()
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ossfn_registry_alembic SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RegistryUnavailable, match="9999"):
        store.open()
    store.close()


def register(url: str, plan: str) -> int:
    """Let eight processes loose on a store that has no tables yet; how many of their 400 registrations were taken."""
    command = [sys.executable, str(REGISTER), url, plan]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=100).stdout)


@pytest.mark.slow
@pytest.mark.parametrize("server", STORES)
def test_a_function_gets_exactly_ten_triggers_from_eight_processes(url: str, server: str) -> None:
    assert register(server or url, "triggers") == 10


@pytest.mark.slow
@pytest.mark.parametrize("server", STORES)
def test_a_bucket_gets_exactly_a_hundred_rules_from_eight_processes(url: str, server: str) -> None:
    assert register(server or url, "rules") == 100


def test_old_generations_are_forgotten(url: str) -> None:
    store = SqlRuleStore(url)
    store.open()
    last = GENERATIONS_KEPT + 5
    keep(store, *(Bucket("b", "cn-north-1", generation=number) for number in range(1, last + 1)))
    history = store.history("b", GENERATIONS_KEPT)
    assert [change.generation for change in history] == list(range(last, 5, -1))
    assert history[-1].before is not None
    with store.write() as transaction:
        assert [transaction.revision("b", number) is None for number in (4, 5)] == [True, False]
    store.close()
