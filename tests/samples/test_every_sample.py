"""Each sample folder is complete, and is a function that can be deployed as it lies there."""

from pathlib import Path

import pytest
from cloudevents.http import from_json

from ossfn.functions.bundle import pack, read_bundle
from ossfn.functions.resolve import resolve

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "sample_functions").glob("*/main.py"))
each_sample = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@each_sample
def test_it_can_be_deployed(folder: Path) -> None:
    bundle = read_bundle(pack(folder))

    version = resolve(1, bundle, {}, actor="", now=0.0)

    assert (version.entry_point, version.signature_type) == (folder.name, "cloudevent")
    assert bundle.text("requirements.txt")


@each_sample
def test_its_example_is_a_cloudevent_about_one_object(folder: Path) -> None:
    event = from_json((folder / "event.json").read_text())

    assert event["type"] == f"com.amazonaws.s3.{event.data['eventName']}"
    assert event["source"] == f"aws:s3.cn-north-1.{event.data['s3']['bucket']['name']}"


@each_sample
def test_it_is_explained_and_imports_of_ours_the_kit_or_nothing(folder: Path) -> None:
    assert folder.name in (folder / "README.md").read_text()
    ours = [line for line in (folder / "main.py").read_text().splitlines() if "ossfn" in line]
    assert all(line.startswith("from ossfn.functions import ") for line in ours)
    assert bool(ours) == (folder.name in ("notifier", "text_search"))


def test_the_samples_are_listed() -> None:
    root = FOLDERS[0].parent
    listed = (root / "README.md").read_text()
    assert [path.parent.name for path in root.glob("*/README.md") if f"({path.parent.name}/)" not in listed] == []
