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
def test_it_is_explained_and_needs_nothing_of_ours(folder: Path) -> None:
    assert folder.name in (folder / "README.md").read_text()
    assert "ossfn" not in (folder / "main.py").read_text()


def test_the_samples_are_listed() -> None:
    listed = (Path(FOLDERS[0]).parent / "README.md").read_text()
    assert [folder.name for folder in FOLDERS if f"({folder.name}/)" not in listed] == []
