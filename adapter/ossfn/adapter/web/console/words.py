"""The console's texts in the languages that it speaks; English is what the templates say themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from starlette.requests import Request

NAMES = {"en": "English", "zh-CN": "简体中文"}
"""Each language in its own words."""
COOKIE = "ossfn_language"

_FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class Words:
    """One language; calling it translates."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, text: str, **values: object) -> str:
        """The text in this language, English where there is no translation, with the values put in."""
        said = self.texts.get(text, text)
        return said.format(**values) if values else said


WORDS = {
    "en": Words("en", {}),
    "zh-CN": Words("zh-CN", orjson.loads((_FOLDER / "zh-CN.json").read_bytes())),
}


def chosen(request: Request) -> Words:
    """What the visitor chose, else what their browser asks for, else English."""
    asked = request.query_params.get("language") or request.cookies.get(COOKIE, "")
    return WORDS.get(asked) or _accepted(request.headers.get("accept-language", ""))


def _accepted(header: str) -> Words:
    for tag in header.lower().split(","):
        primary = tag.split(";")[0].strip().split("-")[0]
        for language, words in WORDS.items():
            if primary == language.split("-")[0]:
                return words
    return WORDS["en"]
