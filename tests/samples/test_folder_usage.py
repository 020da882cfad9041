"""The JD Cloud sample as it lies there, under its real host, with events of several stores."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.samples.conftest import SAMPLES

from ossfn.functions.examples import STORES, Example, Happening, Store, cloud_event
from ossfn.functions.jd_template import read_template
from ossfn.functions.testing import Serve, serve

__all__ = ["serve"]
pytestmark = pytest.mark.slow

FOLDER = SAMPLES / "folder_usage"


def usage(path: Path) -> list[tuple[str, int, int]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT folder, objects, bytes FROM folder ORDER BY folder").fetchall()


def test_it_knows_what_each_folder_holds_whatever_the_order(serve: Serve, tmp_path: Path) -> None:
    sample = serve(FOLDER, USAGE_DB=str(tmp_path / "usage.db"))

    def happened(second: int, happening: Happening, key: str, size: int = 0, store: Store = "minio") -> None:
        moment = datetime(2026, 11, 22, 12, 0, second, tzinfo=UTC)
        example = Example(store=store, happening=happening, key=key, size=size, moment=moment, number=second + 1)
        answer = sample.send(cloud_event(example))
        assert (answer.status, answer.json()) == (200, 1)

    happened(1, "put", "图片/a b.jpg", 100)
    happened(3, "put", "图片/c.jpg", 20, "ceph")
    happened(2, "multipart", "图片/c.jpg", 999, "ceph")
    happened(4, "put", "docs/d", 7, "aws")
    happened(6, "delete", "docs/d")
    happened(5, "copy", "docs/d", 8)
    happened(7, "put", "top", 1)
    assert usage(tmp_path / "usage.db") == [("", 1, 1), ("图片/", 2, 120)]
    for store in STORES:
        happened(8, "put", f"of/{store}", 5, store)
    assert usage(tmp_path / "usage.db")[1] == ("of/", len(STORES), 5 * (len(STORES) - 1))  # JD's callbacks tell no size


def test_its_template_is_sca_s() -> None:
    declared = read_template((FOLDER / "template.yaml").read_text())
    assert (declared.name, declared.options["entry_point"]) == ("folder_usage", "index.handler")
