"""Which service a command speaks to."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ossfn.adapter.cli.locate import Place, data_directory, server_url

SET_UP = Path("set-up")
PLACES: list[tuple[Place, Mapping[str, str], str]] = [
    (Place("http://a:1", SET_UP), {"OSSFN_SERVER": "http://b:2", "OSSFN_PORT": "3"}, "http://a:1"),
    (Place(None, SET_UP), {"OSSFN_SERVER": "http://b:2", "OSSFN_PORT": "3"}, "http://b:2"),
    (Place(None, SET_UP), {"OSSFN_PORT": "3"}, "http://127.0.0.1:3"),
    (Place(None, SET_UP), {"OSSFN_HOST": "::1", "OSSFN_PORT": "0"}, "http://[::1]:8450"),
    (Place(None, SET_UP), {"OSSFN_PORT": "0"}, "http://127.0.0.1:40001"),
    (Place(), {"OSSFN_DATA": "set-up"}, "http://127.0.0.1:40001"),
    (Place(), {}, "http://127.0.0.1:40002"),
    (Place(None, Path("elsewhere")), {}, "http://127.0.0.1:8450"),
]


@pytest.mark.parametrize(("place", "environ", "url"), PLACES)
def test_where_a_service_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place, environ: Mapping[str, str], url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ossfn.toml").write_text('data = "configured"')
    for number, name in enumerate(("set-up", "configured"), 1):
        Path(name).mkdir()
        (Path(name) / "running.json").write_text(json.dumps({"url": f"http://127.0.0.1:4000{number}"}))

    assert server_url(place, environ) == url


@pytest.mark.parametrize("damaged", ["", "[]", '{"port": 1}', "{"])
def test_a_damaged_trace_of_a_service_is_none(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "running.json").write_text(damaged)

    assert server_url(Place(None, tmp_path), {}) == "http://127.0.0.1:8450"


def test_without_any_configuration_the_data_directory_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_directory(Place(), {}) == Path("ossfn-data")
    Path("ossfn.toml").write_text("data = ")
    assert data_directory(Place(), {}) == Path("ossfn-data")
