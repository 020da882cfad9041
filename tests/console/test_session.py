"""Who may look and who may change: tokens, sessions, forms of other sites."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import TOKENS, Service, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one token to write and one to read."""
    folder = tmp_path_factory.mktemp("guarded")
    lines = [
        f'[api_tokens.{name}]\ntoken = "{token}"\nscope = "{scope}"\n'
        for (name, token), scope in zip(TOKENS.items(), ("write", "read"), strict=True)
    ]
    (folder / "ossfn.toml").write_text("\n".join(lines))
    with running(folder, token=TOKENS["writer"], log_level="error") as service:
        service.api("PUT", "buckets/photos", {})
        yield service


def sign_in(page: Page, service: Service, token: str, path: str = "/") -> None:
    """Give a token."""
    page.goto(service.console(path))
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_a_token_opens_the_page_that_was_asked_for(page: Page, guarded: Service) -> None:
    sign_in(page, guarded, "guessed", "/deliveries?state=dead")
    expect(page.get_by_role("alert")).to_contain_text("no token of this service")
    page.get_by_label("API token").fill(TOKENS["writer"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    assert page.url.endswith("state=dead")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/console"
    assert TOKENS["writer"] not in cookie["value"]


def test_who_changed_something_stands_in_the_history(page: Page, guarded: Service) -> None:
    sign_in(page, guarded, TOKENS["writer"], "/buckets/photos/new-rule")
    page.get_by_label("Name").fill("mine")
    page.locator('input[value="s3:ObjectCreated:*"]').check()
    page.get_by_label("Address 1").fill("https://example.com/")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("writer")


def test_a_reading_token_is_offered_no_changes_and_makes_none(page: Page, guarded: Service) -> None:
    sign_in(page, guarded, TOKENS["reader"], "/buckets/photos")
    expect(page.get_by_text("reader (read only)")).to_be_visible()
    expect(page.get_by_role("link", name="Create rule")).to_have_count(0)
    page.goto(guarded.console("/buckets/photos/delete"))
    page.get_by_role("button", name="Delete bucket").click()
    expect(page.get_by_role("alert")).to_contain_text("may read, not change anything")
    guarded.api("GET", "buckets/photos")


def test_signing_out_ends_it(page: Page, guarded: Service) -> None:
    sign_in(page, guarded, TOKENS["writer"])
    page.get_by_role("button", name="Sign out").click()
    page.goto(guarded.console("/targets"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_page_that_updates_itself_asks_for_the_token_once_the_session_ends(page: Page, guarded: Service) -> None:
    sign_in(page, guarded, TOKENS["reader"], "/deliveries")
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    page.context.clear_cookies()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_form_without_its_secret_changes_nothing(service: Service) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as browser:
        page = browser.get("/console/buckets")
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', page.text))
        form = {"name": "forged", "region": "", "mode": ""}
        for wrong in ({}, {"csrf": ""}, {"csrf": "x" * len(csrf)}):
            assert browser.post("/console/buckets", data=form | wrong).status_code == 403
        elsewhere = {"Origin": "https://evil.example"}
        assert browser.post("/console/buckets", data=form | {"csrf": csrf}, headers=elsewhere).status_code == 403
        assert browser.post("/console/buckets", data=form | {"csrf": csrf}).status_code == 303
    with httpx.Client(base_url=service.url, trust_env=False) as other:
        assert other.post("/console/buckets", data=form | {"csrf": csrf}).status_code == 403


def test_a_name_that_was_bound_to_this_machine_sees_nothing(service: Service) -> None:
    """DNS rebinding: the page of a foreign site whose name leads to loopback."""
    for path in ("/", "/buckets", "/plots.json", "/buckets/photos/new-rule"):
        answer = httpx.get(service.console(path), headers={"Host": "evil.example"}, trust_env=False)
        assert answer.status_code == 403, path
        assert "is not a name of this machine" in answer.text
        assert "set-cookie" not in answer.headers


def test_every_page_is_closed_without_a_session(guarded: Service) -> None:
    for path in ("/", "/plots.json", "/buckets", "/buckets/photos/rules/x", "/deliveries", "/nowhere"):
        answer = httpx.get(guarded.console(path), trust_env=False)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/console/login")


def test_login_leads_to_pages_of_its_own_only(guarded: Service) -> None:
    for going in ("https://evil.example/", "//evil.example/", "/console/\\evil.example", "/api/v1/stats"):
        answer = httpx.post(
            guarded.console("/login"), params={"next": going}, data={"token": TOKENS["reader"]}, trust_env=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/")


def test_a_form_without_end_is_not_read(service: Service) -> None:
    answer = httpx.post(service.console("/buckets"), content=b"a" * (1024 * 1024 + 1), trust_env=False)
    assert answer.status_code == 413
