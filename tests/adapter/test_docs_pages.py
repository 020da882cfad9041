"""docs/callbacks.md and docs/ingest.md: every configuration loads, every body is what is sent, the receiver works."""

import json
import re
import time
import tomllib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ossfn.adapter.dialects import DIALECTS, Decoded, decode
from ossfn.adapter.formats import render
from ossfn.adapter.settings import Settings
from ossfn.adapter.signing import Signer

DOCS = Path(__file__).parents[2] / "docs"
CALLBACKS, INGEST = ((DOCS / page).read_text(encoding="utf-8") for page in ("callbacks.md", "ingest.md"))


def blocks(page: str, language: str, heading: str = "") -> list[str]:
    """The code in this language, below a heading or anywhere."""
    section = page[page.index(heading) :] if heading else page
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


RECORD = json.loads(blocks(CALLBACKS, "json", "### structured")[0])["data"]


def sent(format_: str) -> tuple[dict[str, str], Any]:
    decoded = decode("aws", {}, json.dumps({"Records": [RECORD]}).encode())
    assert isinstance(decoded, Decoded)
    headers, body = render(format_, decoded.events[0], "event-id", rule="pictures", generation=7)
    return dict(headers), json.loads(body)


@pytest.mark.parametrize("format_", ["structured", "jd-notification"])
def test_a_documented_body_is_what_is_sent(format_: str) -> None:
    assert sent(format_)[1] == json.loads(blocks(CALLBACKS, "json", f"### {format_}")[0])


def test_the_documented_headers_of_binary_mode_are_what_is_sent() -> None:
    documented = dict(line.split(": ", 1) for line in blocks(CALLBACKS, "http", "### binary")[0].splitlines())
    assert sent("binary") == (documented, RECORD)


@pytest.mark.parametrize("toml", [*blocks(CALLBACKS, "toml"), *blocks(INGEST, "toml")])
def test_a_documented_configuration_loads(
    toml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "client.pem"):
        (tmp_path / name).write_bytes((authority / "ca.pem").read_bytes())
    (tmp_path / "client.key").write_bytes((authority / "ca.key").read_bytes())
    settings = Settings.model_validate(tomllib.loads(toml))
    assert settings.sources or settings.callbacks


def test_every_source_in_the_documentation_has_a_place_where_its_store_is_set_up() -> None:
    for toml in blocks(INGEST, "toml"):
        for name, source in tomllib.loads(toml)["sources"].items():
            assert source["dialect"] in DIALECTS
            assert name == "photos" or f"/ingest/{name}" in INGEST


def test_the_documented_receiver_takes_what_is_signed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"whsec_{b64encode(bytes(32)).decode()}"
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    receiver: dict[str, Any] = {"__name__": "receiver"}
    exec(blocks(CALLBACKS, "python")[0], receiver)  # noqa: S102 - our own page
    app = receiver["app"]
    assert isinstance(app, Flask)
    body = json.dumps(sent("structured")[1]).encode()
    headers = {"webhook-id": "d-1", **dict(Signer([secret]).headers("d-1", time.time(), body))}
    client = app.test_client()
    assert client.post("/photos", data=body, headers=headers).status_code == 204
    assert client.post("/photos", data=body + b" ", headers=headers).status_code == 401
    assert client.post("/photos", data=body).status_code == 401
