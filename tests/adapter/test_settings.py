"""The settings and docs/settings.md: the page is the one that they write, its example loads, its variables count."""

from pathlib import Path

import pytest

from ossfn.adapter.retry import RetryPolicy
from ossfn.adapter.settings import Settings, StandardWebhooksAuth
from ossfn.adapter.settings.page import EXAMPLE, page

PAGE = Path(__file__).parents[2] / "docs/settings.md"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory without an ossfn.toml."""
    monkeypatch.chdir(tmp_path)


def test_the_page_is_the_one_that_the_settings_write() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m ossfn.adapter.settings > docs/settings.md"


def test_every_setting_has_a_sentence() -> None:
    rows = [line.strip("| ").split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > len(Settings.model_fields)
    assert [row[0] for row in rows if not row[-1].endswith(".")] == []


def test_the_example_is_an_ossfn_toml() -> None:
    Path("ossfn.toml").write_text(EXAMPLE, encoding="utf-8")
    settings = Settings.model_validate({})
    assert set(settings.sources) == {"photos", "partner"}
    assert isinstance(settings.sources["partner"].auth, StandardWebhooksAuth)
    assert settings.targets["function:thumbs"].retry == RetryPolicy(first_delay=5, max_attempts=8)
    assert (settings.limits.triggers_per_function, settings.limits.rules_per_bucket) == (50, 100)


def test_variables_of_nested_tables_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSFN_LIMITS__RULES_PER_BUCKET", "7")
    monkeypatch.setenv("OSSFN_SOURCES__PHOTOS__REGION", "cn-north-1")
    monkeypatch.setenv("OSSFN_SOURCES__PHOTOS__AUTH__KIND", "standard-webhooks")
    monkeypatch.setenv("OSSFN_SOURCES__PHOTOS__AUTH__SECRETS", '["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"]')
    settings = Settings.model_validate({})
    assert settings.limits.rules_per_bucket == 7
    assert settings.sources["photos"].region == "cn-north-1"
    assert isinstance(settings.sources["photos"].auth, StandardWebhooksAuth)
    for variable in ("LIMITS__RULES_PER_BUCKET", "SOURCES__NAME__REGION", "SOURCES__NAME__AUTH__SECRETS"):
        assert f"`OSSFN_{variable}`" in page()
