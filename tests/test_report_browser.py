"""The page about runs in a browser: curves are drawn, nothing is fetched, nothing fails."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from report_runs import complete, record

from dreamer_jax.reports import groups, page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and find_spec("playwright")), reason="needs Chromium and pip install playwright"
)
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
LINES = "#scores-charts svg path.line"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    with sync_playwright() as started:
        flags = [*QUIET.split(), "--disable-component-update", "--disable-sync"]
        opened = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


def test_in_a_browser(browser: Any, tmp_path: Path) -> None:
    runs = [record(complete(tmp_path / f"seed{i}", seed=i)) for i in range(2)]
    runs.append(record(complete(tmp_path / "other", agent="other")))
    path = tmp_path / "page.html"
    path.write_text(page.page(groups.grouped(runs), page.Known({}, {}, {}), made="now"))
    faults, requests = list[str](), list[str]()
    for width, theme in ((1280, "light"), (390, "dark")):
        shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        shown.on("console", lambda message: faults.append(message.text))
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.on("request", lambda request: requests.append(request.url))
        shown.goto(path.as_uri())
        shown.wait_for_selector(LINES)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        controls(shown)
        shown.close()
    assert faults == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}
    assert sum(url.startswith("file:") for url in requests) == 2


def controls(shown: Any) -> None:
    """Uses every control of the page."""
    before = shown.locator(LINES).first.get_attribute("d")
    shown.check("input[name=axis][value=t]")
    shown.check("#log")
    shown.locator("#smooth").fill("60")
    assert shown.locator("#toolbar output").text_content() == "0.6"
    shown.wait_for_function(f"document.querySelector('{LINES}').getAttribute('d') !== `{before}`")
    area = shown.locator("#scores-charts svg path.area").count()
    shown.select_option("#band", "runs")
    assert shown.locator("#scores-charts svg path.area").count() < area
    shown.locator("#legend button").first.click()
    assert shown.locator("#legend button").first.get_attribute("aria-pressed") == "false"
    shown.fill("#search", "kl")
    figures = shown.locator("#all-charts figure")
    assert [x for x in figures.all() if x.is_visible()] and figures.count() > 1
    assert shown.locator("#all-charts figure:not([hidden])").count() == 1
    shown.locator("#all-charts figure:not([hidden]) button").click()
    shown.locator("dialog svg[role=img]").focus()
    shown.keyboard.press("End")
    assert "40 s" in shown.locator("dialog [aria-live]").text_content()
    shown.keyboard.press("Escape")
    shown.wait_for_selector("dialog", state="detached")
    slider = shown.locator(".moments input").first
    slider.fill("0")
    assert shown.locator(".moments output").first.text_content() == "100"
