"""Deliveries in the console: live, filtered, one with its tries, sent again, called off; and targets on hold."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import Service, until

pytestmark = pytest.mark.slow

FUNCTION = "function:thumbs"


def test_a_new_delivery_comes_up_by_itself(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries"))
    service.put("in/live.jpg")
    expect(page.get_by_role("link", name="photos/in/live.jpg")).to_be_visible()


def test_updating_keeps_the_place_of_the_keyboard_and_can_be_stopped(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries?state=dead"))
    page.get_by_role("link", name="photos/in/refuse-1.jpg").first.focus()
    with page.expect_response(re.compile("deliveries.state=dead")):
        pass
    page.wait_for_function("document.activeElement.textContent === 'photos/in/refuse-1.jpg'")
    page.get_by_role("link", name="Stop updating").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type))
    page.wait_for_timeout(2500)
    assert "xhr" not in asked


def test_the_filter_finds_what_failed_and_why(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries"))
    page.get_by_role("link", name="pending").click()
    expect(page.get_by_role("row", name=re.compile(r"film\.mp4"))).to_contain_text("Connection refused")
    page.get_by_text("Filter").first.click()
    page.get_by_label("Key begins with").fill("no/such/")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No delivery matches.")).to_be_visible()


def test_times_are_filtered_in_utc(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries?until=2026-01-01T00:00&state=dead"))
    expect(page.get_by_text("No delivery matches.")).to_be_visible()
    page.goto(service.console("/deliveries?since=2026-01-01T00:00:30&state=dead"))
    expect(page.get_by_role("link", name="photos/in/refuse-2.jpg").first).to_be_visible()


def test_a_page_that_is_none_is_refused(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries?before=yesterday"))
    expect(page.locator(".fault")).to_contain_text("should be a valid integer")


def test_one_delivery_shows_its_tries_answers_and_record(page: Page, service: Service) -> None:
    page.goto(service.console("/deliveries?state=dead"))
    page.get_by_role("link", name="photos/in/refuse-1.jpg").first.click()
    tries = page.get_by_role("region", name="Tries").locator("tbody tr")
    expect(tries).to_have_count(1)
    expect(tries).to_contain_text("422")
    expect(tries).to_contain_text("this key is refused")
    expect(page.locator("pre", has_text='"key": "in/refuse-1.jpg"')).to_be_visible()
    page.get_by_role("link", name="images").click()
    expect(page.get_by_label("Suffix", exact=True)).to_have_value(".jpg")


def test_one_dead_letter_is_sent_again(page: Page, service: Service) -> None:
    service.put("in/refuse-again.jpg")
    (dead,) = until(lambda: service.deliveries(state="dead", prefix="in/refuse-again"))
    page.goto(service.console(f"/deliveries/{dead['id']}"))
    page.get_by_role("button", name="Redeliver").click()
    expect(page.get_by_role("status")).to_contain_text("on its way again")
    until(lambda: len(service.deliveries(state="dead", prefix="in/refuse-again")) == 2)
    page.get_by_role("link", name="All deliveries of this event").click()
    page.get_by_role("link", name="photos/in/refuse-again.jpg").first.click()
    expect(page.get_by_role("link", name=dead["id"])).to_be_visible()


def test_all_dead_letters_that_match_are_sent_again(page: Page, service: Service) -> None:
    for key in ("in/refuse-all/1.jpg", "in/refuse-all/2.jpg"):
        service.put(key)
    until(lambda: len(service.deliveries(state="dead", prefix="in/refuse-all/")) == 2)
    page.goto(service.console("/deliveries?prefix=in/refuse-all/"))
    page.get_by_role("link", name="Redeliver all dead letters that match").click()
    expect(page.get_by_text("Send 2 dead letters again?")).to_be_visible()
    page.get_by_role("button", name="Redeliver").click()
    expect(page.get_by_role("status")).to_contain_text("2 deliveries are on their way again")
    until(lambda: len(service.deliveries(state="dead", prefix="in/refuse-all/")) == 4)


def test_a_target_is_paused_and_what_waits_is_cancelled(page: Page, service: Service) -> None:
    page.goto(service.console("/targets"))
    page.get_by_label(f"Why {FUNCTION} is paused").fill("being mended")
    page.get_by_role("button", name=f"Pause {FUNCTION}").click()
    row = page.get_by_role("row", name=re.compile(FUNCTION))
    expect(row).to_contain_text("being mended")
    service.put("in/held/1.jpg")
    service.put("in/held/2.jpg")

    page.goto(service.console("/deliveries?prefix=in/held/2"))
    page.get_by_role("link", name="Cancel all that wait and match").click()
    expect(page.get_by_text("Cancel 1 deliveries that wait?")).to_be_visible()
    page.get_by_role("button", name="Cancel deliveries").click()
    expect(page.get_by_role("status")).to_contain_text("1 deliveries were cancelled")

    page.goto(service.console("/targets"))
    page.get_by_role("button", name=f"Resume {FUNCTION}").click()
    until(lambda: service.deliveries(prefix="in/held/1", state="delivered"))
    assert len(service.deliveries(prefix="in/held/2", state="cancelled")) == 1


def test_the_overview_follows_what_happens(page: Page, service: Service) -> None:
    page.goto(service.console())
    before = service.api("GET", "stats")["accepted"]
    service.put("in/followed.jpg")
    expect(page.locator(".counts .accepted dd")).to_have_text(str(before + 1), timeout=15_000)


def test_the_overview_adds_up_and_plots(page: Page, service: Service) -> None:
    page.goto(service.console())
    expect(page.locator(".light.kept")).to_contain_text("accounted for")
    stats = service.api("GET", "stats")
    expect(page.locator(".counts .accepted dd")).to_have_text(str(stats["accepted"]))
    expect(page.locator(".plot canvas")).to_have_count(4)
    expect(page.get_by_role("row", name=re.compile(FUNCTION))).to_be_visible()
    with page.expect_response(re.compile("plots.json.target=function%3Athumbs")) as answer:
        page.locator("#plot-target").select_option(FUNCTION)
    assert sum(answer.value.json()["delivered"]) > 0
