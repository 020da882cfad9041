"""Functions in the console: what they do, trying them out, going back to a version."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import Service, deploy, until

pytestmark = pytest.mark.slow

# Starts once; after its first event it never starts again.
DYING = """
import os, pathlib
import functions_framework

died = pathlib.Path(os.environ["DIED"])
if died.exists():
    raise RuntimeError("the model is gone")

@functions_framework.cloud_event
def handle(event):
    died.touch()
    os.kill(os.getppid(), 9)
    os.kill(os.getpid(), 9)
"""


def test_the_list_has_each_function_with_its_triggers(page: Page, service: Service) -> None:
    page.goto(service.console("/functions"))
    hosted = page.get_by_role("row", name=re.compile("thumbs"))
    expect(hosted).to_contain_text("ready")
    expect(hosted).to_contain_text("version 2")
    expect(hosted).to_contain_text(re.compile("[1-9]/10"))
    remote = page.get_by_role("row", name=re.compile("elsewhere"))
    expect(remote).to_contain_text("https://fn.example.com/")
    expect(remote).to_contain_text("0/10")


def test_it_answers_a_sample_of_what_its_trigger_brings(page: Page, service: Service) -> None:
    page.goto(service.console("/functions/thumbs"))
    expect(page.get_by_label("Event, as JSON")).to_have_value(re.compile('"subject": "in/sample.jpg"'))
    page.get_by_role("button", name="Invoke").click()
    expect(page.locator("#answer")).to_contain_text("200")
    expect(page.locator("#log")).to_contain_text("took in/sample.jpg")


def test_what_is_no_json_is_said(page: Page, service: Service) -> None:
    page.goto(service.console("/functions/thumbs"))
    page.get_by_label("Event, as JSON").fill("{oops")
    page.get_by_role("button", name="Invoke").click()
    expect(page.locator("#answer")).to_contain_text("The body is not JSON")


def test_an_earlier_version_serves_again(page: Page, service: Service, tmp_path: Path) -> None:
    deploy(service, tmp_path / "source", "back-and-forth")
    deploy(service, tmp_path / "source", "back-and-forth", SIZE="1")
    page.goto(service.console("/functions/back-and-forth"))
    page.get_by_role("link", name="Roll back to version 1").click()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("link", name="Roll back to version 2")).to_be_visible()
    assert service.api("GET", "functions/back-and-forth")["version"] == 1


def test_a_function_that_cannot_go_on_says_why(page: Page, service: Service, tmp_path: Path) -> None:
    deploy(service, tmp_path / "source", "dying", source=DYING, DIED=str(tmp_path / "died"))
    page.goto(service.console("/functions/dying"))
    page.get_by_role("button", name="Invoke").click()
    until(lambda: "the model is gone" in str(service.api("GET", "functions/dying")["tail"]))
    expect(page.locator("#status")).to_contain_text("RuntimeError: the model is gone", timeout=20_000)
