"""Every page: nothing that keeps people out (axe), in both themes; its policy; narrow screens; both languages."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.console.conftest import Service

pytestmark = pytest.mark.slow

PAGES = {
    "overview": "/",
    "buckets": "/buckets",
    "bucket": "/buckets/photos?key=in/a.jpg&event=s3:ObjectCreated:Put",
    "new-rule": "/buckets/photos/new-rule",
    "rule": "/buckets/photos/rules/videos",
    "delete-rule": "/buckets/photos/rules/videos/delete",
    "history": "/buckets/photos/history",
    "functions": "/functions",
    "function": "/functions/thumbs",
    "remote-function": "/functions/elsewhere",
    "deliveries": "/deliveries?live=off&rule=images",
    "redeliver": "/deliveries/redeliver?rule=images",
    "delivery": "/deliveries/{dead}",
    "targets": "/targets",
    "no-such-bucket": "/buckets/nowhere",
    "no-such-page": "/nowhere",
    "login": "/login",
}
REVIEW = os.environ.get("OSSFN_SCREENSHOTS")
"""A folder for pictures of every page, to be looked at."""


@pytest.fixture(scope="module")
def axe() -> Axe:
    """The checker."""
    return Axe()


def address(service: Service, path: str) -> str:
    """The page's address; a dead letter of this service is put in."""
    dead = service.deliveries(state="dead")[0]["id"] if "{dead}" in path else ""
    return service.console(path.replace("{dead}", dead))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_it_keeps_nobody_out(page: Page, service: Service, axe: Axe, name: str, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    page.goto(address(service, PAGES[name]))
    if name == "new-rule":  # with its faults
        page.get_by_label("Prefix", exact=True).fill("in/")
        page.locator('input[value="s3:ObjectCreated:*"]').check()
        page.get_by_label("Address 1").fill("nowhere")
        expect(page.locator("#faults-callback-0 .fault")).to_be_visible()
    if name == "overview":
        expect(page.locator(".plot canvas")).to_have_count(4)
    found = axe.run(page)
    assert found.violations_count == 0, found.generate_report()
    unnamed = page.locator("input:not([type=hidden]), select, textarea").evaluate_all(
        "fields => fields.filter(field => !field.labels?.length).map(field => field.outerHTML)"
    )
    assert unnamed == []  # axe takes a placeholder for a name
    if REVIEW:
        Path(REVIEW).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(REVIEW) / f"{name}-{theme}.png", full_page=True)


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_a_narrow_screen_in_chinese(browser: Browser, service: Service, name: str) -> None:
    context = browser.new_context(locale="zh-CN", viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(address(service, PAGES[name]))
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if REVIEW:
        page.screenshot(path=Path(REVIEW) / f"{name}-narrow.png", full_page=True)
    context.close()


def test_its_policy_forbids_all_that_is_not_its_own(page: Page, service: Service) -> None:
    answer = page.goto(service.console())
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy


def test_the_language_is_chosen_and_kept(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries?state=dead"))
    page.get_by_role("link", name="简体中文").click()
    expect(page.get_by_role("heading", name="投递")).to_be_visible()
    assert "state=dead" in page.url
    page.get_by_role("link", name="存储空间").click()
    expect(page.get_by_role("heading", name="存储空间", exact=True)).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Buckets")).to_be_visible()


def test_a_page_begins_with_a_way_past_the_menu(page: Page, service: Service) -> None:
    page.goto(service.console())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_console_is_found_without_its_last_slash(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/console")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
