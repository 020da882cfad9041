"""Rules in the console, as the document's own steps go, and every refusal beside its field."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.console.conftest import CAPTURED, Service, rule, until

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(service: Service, request: pytest.FixtureRequest) -> Iterator[str]:
    """A bucket of the test's own, with one rule for a function and one for an address."""
    name = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))
    service.api("PUT", f"buckets/{name}", {"region": "cn-north-1"})
    service.api("POST", f"buckets/{name}/rules", rule("images", "in/", ".jpg", function="thumbs"))
    service.api("POST", f"buckets/{name}/rules", rule("videos", "in/", ".mp4", callbacks=["http://127.0.0.1:9/hook"]))
    yield name
    service.api("DELETE", f"buckets/{name}?cascade=true")


def open_new_rule(page: Page, service: Service, bucket: str) -> None:
    """Walk to the form as a visitor does."""
    page.goto(service.console())
    page.get_by_role("link", name="Buckets").click()
    page.get_by_role("link", name=bucket, exact=True).click()
    page.get_by_role("link", name="Create rule").click()


def event(page: Page, name: str) -> Locator:
    """The box of an event; its label goes on with what the document says about it."""
    return page.locator(f'input[name="event"][value="{name}"]')


def names_of(service: Service, bucket: str) -> list[str]:
    """The bucket's rules, in match order."""
    return [each["name"] for each in service.api("GET", f"buckets/{bucket}/rules")["rules"]]


def test_a_rule_made_here_fires_a_function_for_what_a_store_sent(page: Page, service: Service) -> None:
    open_new_rule(page, service, "demo-bucket")
    page.get_by_label("Name").fill("documents")
    event(page, "s3:ObjectCreated:Put").check()
    page.get_by_label("Prefix", exact=True).fill("docs/")
    page.get_by_label("Suffix", exact=True).fill(".txt")
    page.get_by_label("Function Service").check()
    page.get_by_label("Function", exact=True).select_option("thumbs")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name=re.compile("documents"))
    expect(row).to_contain_text("s3:ObjectCreated:Put")
    expect(row).to_contain_text("Function thumbs")

    service.notify_as_captured(CAPTURED)
    until(lambda: service.deliveries(bucket="demo-bucket", state="delivered"))
    page.get_by_role("link", name="thumbs", exact=True).first.click()
    expect(page.locator("#log")).to_contain_text("took docs/hello.txt")


def test_a_rule_may_send_to_five_addresses(page: Page, service: Service, bucket: str) -> None:
    open_new_rule(page, service, bucket)
    event(page, "s3:ObjectRemoved:*").check()
    for n in range(1, 6):
        page.get_by_label(f"Address {n}").fill(f"https://example.com/{n}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=bucket)).to_be_visible()
    (added,) = [each for each in service.api("GET", f"buckets/{bucket}/rules")["rules"] if each["prefix"] == ""]
    assert added["target"] == {"callbacks": [f"https://example.com/{n}" for n in range(1, 6)]}
    assert re.fullmatch("[0-9a-v]{20}", added["name"])


def test_an_overlap_is_said_while_typing(page: Page, service: Service, bucket: str) -> None:
    open_new_rule(page, service, bucket)
    event(page, "s3:ObjectCreated:Copy").check()
    page.get_by_label("Prefix", exact=True).fill("in/2026/")
    beside = page.locator("#faults-keys")
    expect(beside).to_contain_text("It clashes with rule images: both would take the key in/2026/.jpg")
    page.get_by_label("Suffix", exact=True).fill(".png")
    expect(beside.locator(".fault")).to_have_count(0)
    page.get_by_label("Suffix", exact=True).fill(".mp4")
    beside.get_by_role("link", name="videos").click()
    expect(page.get_by_label("Name")).to_have_value("videos")


@pytest.mark.parametrize(
    ("label", "value", "region", "message"),
    [
        ("Name", "no spaces", "name", "letters, digits, underscores and hyphens"),
        ("Prefix", "p" * 1023, "prefix", "cannot exceed 1022 bytes"),
        ("Suffix", "图" * 341, "suffix", "it has 1023 bytes"),
        ("Address 1", "ftp://example.com", "callback-0", "no complete http:// or https:// URL"),
        ("Address 1", "https://me:secret@example.com/", "callback-0", "a user name or password"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    page: Page, service: Service, label: str, value: str, region: str, message: str
) -> None:
    open_new_rule(page, service, "photos")
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    expect(page.locator(f"#faults-{region}")).to_contain_text(message)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#faults-events")).to_contain_text("at least one event")


def test_a_name_that_is_taken_is_said_while_typing(page: Page, service: Service) -> None:
    open_new_rule(page, service, "photos")
    page.get_by_label("Name").fill("images")
    expect(page.locator("#faults-name")).to_contain_text("has a rule images already")


def test_the_second_address_is_the_one_that_is_wrong(page: Page, service: Service) -> None:
    open_new_rule(page, service, "photos")
    page.get_by_label("Address 1").fill("https://example.com/1")
    page.get_by_label("Address 2").fill("example.com/2")
    page.get_by_label("Address 1").fill("")
    expect(page.locator("#faults-callback-1")).to_contain_text("Not a valid callback address")
    expect(page.locator("#faults-callback-0 .fault")).to_have_count(0)


def test_what_is_saved_wrong_comes_back_as_it_was_typed(page: Page, service: Service, bucket: str) -> None:
    before = names_of(service, bucket)
    open_new_rule(page, service, bucket)
    page.get_by_label("Name").fill("pictures")
    event(page, "s3:ObjectCreated:*").check()
    page.get_by_label("Prefix", exact=True).fill("in/<b>")
    page.get_by_label("Address 1").fill("nowhere")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#faults-callback-0")).to_contain_text("Not a valid callback address")
    expect(page.get_by_label("Prefix", exact=True)).to_have_value("in/<b>")
    expect(event(page, "s3:ObjectCreated:*")).to_be_checked()
    expect(page.get_by_label("Address 1")).to_have_attribute("aria-invalid", "true")
    assert names_of(service, bucket) == before


def test_a_rule_is_changed_in_its_place(page: Page, service: Service, bucket: str) -> None:
    page.goto(service.console(f"/buckets/{bucket}"))
    page.get_by_role("link", name="Edit images").click()
    page.get_by_label("Suffix", exact=True).fill(".jpeg")
    page.get_by_text("More settings").click()
    page.get_by_label("In force").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=re.compile("images off"))).to_contain_text(".jpeg")
    assert names_of(service, bucket) == ["images", "videos"]


def test_a_change_that_somebody_else_made_meanwhile_is_not_undone(page: Page, service: Service, bucket: str) -> None:
    page.goto(service.console(f"/buckets/{bucket}/rules/images"))
    service.api("PUT", f"buckets/{bucket}/rules/images", rule("images", "theirs/", ".jpg", function="thumbs"))
    page.get_by_label("Prefix", exact=True).fill("mine/")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#faults-rule")).to_contain_text("read it again")
    assert service.api("GET", f"buckets/{bucket}/rules/images")["prefix"] == "theirs/"


def test_a_rule_is_deleted_and_comes_back_by_rollback(page: Page, service: Service, bucket: str) -> None:
    page.goto(service.console(f"/buckets/{bucket}"))
    page.get_by_role("link", name="Delete videos").click()
    expect(page.get_by_text(f"Delete rule videos of bucket {bucket}?")).to_be_visible()
    page.get_by_role("button", name="Delete rule").click()
    expect(page.get_by_role("link", name="Edit videos")).to_have_count(0)

    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("− videos")
    page.get_by_role("link", name="Roll back to generation 3").click()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("link", name="Edit videos")).to_be_visible()
    assert names_of(service, bucket) == ["images", "videos"]


def test_it_says_whether_a_key_would_match(page: Page, service: Service, bucket: str) -> None:
    page.goto(service.console(f"/buckets/{bucket}"))
    page.get_by_label("Object key").fill("in/旅行.jpg")
    answer = page.locator("#explanation")
    expect(answer).to_contain_text("Yes. It is sent to: function:thumbs")
    expect(answer.get_by_role("row", name=re.compile("videos"))).to_contain_text("does not end with '.mp4'")
    page.get_by_label("Event", exact=True).select_option("s3:ObjectRemoved:Delete")
    expect(answer).to_contain_text("No rule wants it.")


def test_overlapping_rules_are_taken_once_the_bucket_allows_them(page: Page, service: Service, bucket: str) -> None:
    page.goto(service.console(f"/buckets/{bucket}"))
    page.get_by_label("fan-out").check()
    page.get_by_role("button", name="Change").click()
    open_new_rule(page, service, bucket)
    page.get_by_label("Name").fill("everything")
    event(page, "s3:ObjectCreated:*").check()
    page.get_by_label("Address 1").fill("https://example.com/all")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Edit everything")).to_be_visible()
    page.get_by_label("strict").check()
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("alert")).to_contain_text("Cannot have overlapping suffixes")


def test_a_bucket_is_added_and_deleted(page: Page, service: Service) -> None:
    page.goto(service.console("/buckets"))
    page.get_by_label("Name").fill("b")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#faults-bucket")).to_contain_text("Use 2 to 255 letters")
    page.get_by_label("Name").fill("brand-new")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("This bucket has no rules")).to_be_visible()
    page.get_by_role("link", name="Delete bucket").click()
    page.get_by_role("button", name="Delete bucket").click()
    expect(page.get_by_role("heading", name="Buckets")).to_be_visible()
    listed: list[dict[str, Any]] = service.api("GET", "buckets")["buckets"]
    assert "brand-new" not in [each["name"] for each in listed]


def test_a_rule_is_made_with_the_keyboard_alone(page: Page, service: Service, bucket: str) -> None:
    page.goto(service.console(f"/buckets/{bucket}/new-rule"))
    page.get_by_label("Name").focus()
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Tab")
    for _ in range(6):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")  # s3:ObjectRemoved:Delete, the last of the seven
    page.keyboard.press("Tab")  # more events
    for text in ("old/", ".bak"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Tab")  # the choice of targets
    page.keyboard.press("Tab")
    page.keyboard.type("https://example.com/keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Edit by-keyboard")).to_be_visible()
    made = service.api("GET", f"buckets/{bucket}/rules/by-keyboard")
    assert (made["events"], made["prefix"], made["suffix"]) == (["s3:ObjectRemoved:Delete"], "old/", ".bak")
