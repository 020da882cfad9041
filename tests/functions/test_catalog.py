"""What is deployed outlives the process that deployed it, and old versions make room."""

import dataclasses
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ossfn.functions.catalog import VERSIONS_KEPT, Catalog
from ossfn.functions.model import Function, Remote, Version


def version(number: int, **changes: object) -> Version:
    """A version that differs from the next one in its number."""
    base = Version(
        number=number,
        sha256="0" * 64,
        source="main.py",
        entry_point="go",
        signature_type="cloudevent",
        asgi=False,
        concurrency=4,
        timeout_seconds=60,
        memory_mb=None,
        idle_seconds=0,
        region="cn-north-1",
        requirements=None,
        env={"KEY": "图片"},
        created_at=1.5,
        actor="me",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]  # names of its fields


def remote(url: str) -> Remote:
    return Remote(url, "cn-north-1", 16, 60, 1.5, "me")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    opened.open()
    yield opened
    opened.close()


def test_what_was_put_is_read_back_by_another(catalog: Catalog, tmp_path: Path) -> None:
    hosted = Function("b", version(2, memory_mb=128, requirements="key"), 1.25, 2.25)
    catalog.put_version(Function("b", version(1), 1.25, 1.25), version(1))
    catalog.put_version(hosted, version(2, memory_mb=128, requirements="key"))
    elsewhere = Function("a", remote("https://example.com/图"), 3.0, 3.0)
    catalog.put_remote(elsewhere)
    other = Catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    other.open()
    assert other.functions() == [elsewhere, hosted]
    assert other.versions("b") == [version(2, memory_mb=128, requirements="key"), version(1)]
    assert other.versions("a") == other.versions("unknown") == []
    assert other.requirements() == {"key"}
    other.close()


def test_an_earlier_version_serves_again_and_all_are_kept(catalog: Catalog) -> None:
    for number in (1, 2, 3):
        catalog.put_version(Function("f", version(number), 0, number), version(number))
    assert catalog.put_version(Function("f", version(1), 0, 4), version(1)) == []
    assert catalog.functions() == [Function("f", version(1), 0, 4)]
    assert [v.number for v in catalog.versions("f")] == [3, 2, 1]


def test_the_oldest_that_does_not_serve_makes_room(catalog: Catalog) -> None:
    gone: list[Version] = []
    for number in range(1, VERSIONS_KEPT + 4):
        gone += catalog.put_version(Function("f", version(number), 0, 0), version(number))
    assert [v.number for v in gone] == [1, 2, 3]
    assert [v.number for v in catalog.versions("f")] == list(range(VERSIONS_KEPT + 3, 3, -1))


def test_a_remote_function_moves(catalog: Catalog) -> None:
    catalog.put_remote(Function("r", remote("https://example.com/1"), 0, 0))
    moved = Function("r", remote("https://example.com/2"), 0, 1)
    catalog.put_remote(moved)
    assert catalog.functions() == [moved]


def test_delete_forgets_one_function_with_its_versions(catalog: Catalog) -> None:
    for name in ("f", "g"):
        catalog.put_version(Function(name, version(1), 0, 0), version(1))
    catalog.delete("f")
    assert [function.name for function in catalog.functions()] == ["g"]
    assert catalog.versions("f") == []
    assert catalog.versions("g") == [version(1)]


def test_it_shares_a_database_with_others(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('somebody else')")
    connection.close()
    for _ in range(2):
        opened = Catalog(f"sqlite:///{path}")
        opened.open()
        assert opened.functions() == []
        opened.close()


def test_several_threads_may_use_it_at_once(catalog: Catalog) -> None:
    def deploy(name: str) -> None:
        for number in (1, 2, 3):
            catalog.put_version(Function(name, version(number), 0, 0), version(number))

    names = [f"f{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(deploy, names))
    assert [(f.name, f.runs) for f in catalog.functions()] == [(name, version(3)) for name in names]


def test_a_version_with_an_alias_makes_no_room(catalog: Catalog) -> None:
    for number in range(1, VERSIONS_KEPT + 1):
        catalog.put_version(Function("f", version(number), 0, number), version(number))
    catalog.put_alias("f", "stable", 1)
    assert catalog.aliases("f") == {"stable": 1}
    assert catalog.put_version(Function("f", version(11), 0, 11), version(11)) == []
    assert [gone.number for gone in catalog.put_version(Function("f", version(12), 0, 12), version(12))] == [2]
    catalog.put_alias("f", "stable", 12)
    assert [gone.number for gone in catalog.put_version(Function("f", version(13), 0, 13), version(13))] == [3, 1]
    catalog.delete("f")
    assert catalog.aliases("f") == {}
