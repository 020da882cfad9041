"""The catalogue of texts: complete, without leftovers, and with the same blanks to fill in."""

import re
from pathlib import Path
from string import Formatter

import pytest
from starlette.requests import Request

from ossfn.adapter.web import console
from ossfn.adapter.web.console.words import COOKIE, WORDS, chosen
from ossfn.trigger_registry.event_names import JD_EVENT_NAMES

FOLDER = Path(console.__file__).parent
SAID_BY_NAME = {
    *JD_EVENT_NAMES.values(),
    *("pending", "delivered", "dead", "cancelled", "idle", "starting", "ready", "backoff", "stopped", "remote"),
}
"""What templates translate that is not written in them."""


def said() -> set[str]:
    """Every text of the templates and pages."""
    files = [*FOLDER.glob("templates/*.html"), *FOLDER.glob("*.py")]
    found = [re.findall(r'(?:\b_|words)\(\s*"([^"]+)"', file.read_text()) for file in files]
    return {text for texts in found for text in texts} | SAID_BY_NAME


def blanks(text: str) -> set[str | None]:
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text)} - {None}


def test_the_catalogue_has_every_text_and_no_other() -> None:
    assert set(WORDS["zh-CN"].texts) == said()


def test_a_translation_has_the_blanks_of_its_text() -> None:
    for text, translated in WORDS["zh-CN"].texts.items():
        assert blanks(translated) == blanks(text), text


@pytest.mark.parametrize(
    ("query", "cookie", "header", "language"),
    [
        ("", "", "", "en"),
        ("", "", "zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("", "", "fr, zh;q=0.5", "zh-CN"),
        ("", "en", "zh", "en"),
        ("language=zh-CN", "en", "en", "zh-CN"),
        ("language=tlh", "", "de", "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browsers(query: str, cookie: str, header: str, language: str) -> None:
    headers = [(b"accept-language", header.encode()), (b"cookie", f"{COOKIE}={cookie}".encode())]
    request = Request({"type": "http", "query_string": query.encode(), "headers": headers})
    assert chosen(request).language == language
