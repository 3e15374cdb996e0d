"""The report's page and the sandbox's in a real browser: what they show, what a click does, and who can use them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from target_promoter.config.settings import Settings
from target_promoter.report.gather import gather
from target_promoter.report.html import report_page, story_page
from target_promoter.report.person import story
from target_promoter.sandbox.server import SandboxServer
from tests import month

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
AXE = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
LOOKS = [(theme, size) for theme in ("light", "dark") for size in SIZES]
WAIT_SECONDS = 15.0


def _browser(folder: str) -> Chrome:
    """Start Chromium, or skip the test with the reason; in CI a missing browser is a failure."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        reason = "no Chromium with its driver here: `apt-get install chromium chromium-driver`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """Yield a headless Chromium that all tests of the module share."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = _browser(folder)
        yield driver
        driver.quit()


def look(browser: Chrome, theme: str, size: str) -> None:
    """Have the browser prefer a theme and be of a size."""
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def violations(browser: Chrome) -> list[str]:
    """Return what axe finds wrong with the page, of any impact."""
    browser.execute_script(AXE)
    found: list[dict[str, Any]] = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then((found) => done(found.violations))"
    )
    return [f"{one['id']}: {[node['html'][:90] for node in one['nodes'][:3]]}" for one in found]


def sideways(browser: Chrome) -> int:
    """Return by how many pixels the page is wider than the window."""
    script = "return document.documentElement.scrollWidth - window.innerWidth"
    return int(browser.execute_script(script))


def ground(browser: Chrome) -> int:
    """Return how bright the page's ground is, from 0 to 255."""
    script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    return int(sum(browser.execute_script(script)) / 3)


def complaints(browser: Chrome) -> list[str]:
    """Return what the browser complained of, such as a policy that was broken."""
    return [str(one["message"]) for one in browser.get_log("browser")]  # type: ignore[no-untyped-call] # selenium's


def until(browser: Chrome, what: Callable[[Chrome], Any]) -> Any:  # noqa: ANN401 - whatever is waited for
    """Wait until something holds, and return it."""
    return WebDriverWait(browser, WAIT_SECONDS, poll_frequency=0.05).until(what)


# --- The report's page ---


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a report of a month of everything."""
    folder: Path = tmp_path_factory.mktemp("pages")
    now = time.time()
    settings = Settings.from_config({"api_key": "a-key-of-the-tests", "campaigns": {"Order Completed": 78}})
    store = month.fill(f"sqlite:///{folder / 'store.db'}", now)
    told = store.read(lambda connection: gather(connection, settings, store.name, now))
    person = store.read(lambda connection: story(connection, settings, "user-1", [], now))
    store.close()
    path = folder / "report.html"
    path.write_text(report_page(told), encoding="utf-8")
    (folder / "story.html").write_text(story_page(person), encoding="utf-8")
    return path


@pytest.mark.parametrize(("theme", "size"), LOOKS)
@pytest.mark.parametrize("name", ["report", "story"])
def test_everybody_can_use_the_report(browser: Chrome, report: Path, name: str, theme: str, size: str) -> None:
    """In both themes, on a desk and on a phone, axe finds nothing wrong, and nothing reaches out of the window."""
    look(browser, theme, size)
    browser.get(report.with_stem(name).as_uri())
    for one in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", one)
    assert violations(browser) == []
    assert sideways(browser) <= 0
    assert (ground(browser) < 64) == (theme == "dark")
    assert complaints(browser) == []


def test_the_report_shows_what_matters(browser: Chrome, report: Path) -> None:
    """Figures, chart, who waits, failures and runs are on the page, and names that try to be markup are text."""
    look(browser, "light", "desktop")
    browser.get(report.as_uri())
    assert browser.title == "Promoter surveys: report"
    text = browser.find_element(By.TAG_NAME, "main").text
    parts = ("the next is due", "an identify call with its e-mail address", "no readable time", "Last runs", month.EVIL)
    for part in parts:
        assert part in text
    drawing = browser.find_element(By.CSS_SELECTOR, ".chart svg")
    assert drawing.size["width"] > 600
    heights = {float(bar.get_attribute("height") or 0) for bar in browser.find_elements(By.CSS_SELECTOR, ".chart rect")}
    assert len(heights) > 5
    assert browser.find_elements(By.CSS_SELECTOR, "img, script") == []


def test_a_group_opens_with_the_keyboard(browser: Chrome, report: Path) -> None:
    """Tab reaches each group of failures, and Enter opens it to its examples and what to do."""
    look(browser, "light", "phone")
    browser.get(report.as_uri())
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "To the contents"
    summary = browser.find_element(By.XPATH, "//summary[contains(., 'no readable time')]")
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element == summary:
            break
    assert browser.switch_to.active_element == summary
    group = summary.find_element(By.XPATH, "..")
    example = group.find_element(By.CSS_SELECTOR, "li")
    assert not example.is_displayed()
    summary.send_keys(Keys.ENTER)
    assert example.is_displayed()
    assert example.text == "email r1@x.org, id 1"
    assert "What to do: name the column" in group.text


# --- The sandbox's page ---


@pytest.fixture
def server(browser: Chrome) -> Iterator[SandboxServer]:
    """Yield a sandbox in which two people were surveyed, one of them with a name that tries to be markup."""
    with SandboxServer(campaigns={78: "Orders"}, lists={}) as running:
        for email, name in (("ann@example.com", "Ann"), ("bob@example.com", month.EVIL)):
            contact = {"email": email, "first_name": name, "attributes": {"plan": "Pro"}}
            assert post(running, "/v2/survey/", {"campaign_id": 78, "contact": contact}).ok
        yield running
        leave(browser)


def leave(browser: Chrome) -> None:
    """Leave the page, which would go on asking a sandbox that is gone, and forget what the browser said of it."""
    browser.get("about:blank")
    complaints(browser)


def post(server: SandboxServer, path: str, body: dict[str, object]) -> requests.Response:
    """Send a request to the sandbox's API."""
    headers = {"Authorization": "Token sandbox"}
    return requests.post(server.url + path, json=body, headers=headers, timeout=10)


def open_page(browser: Chrome, server: SandboxServer) -> None:
    """Open the sandbox's page and wait until it shows both surveys."""
    browser.get(f"{server.origin}/")
    until(browser, lambda page: len(page.find_elements(By.CSS_SELECTOR, "#surveys > li")) == 2)


def number(browser: Chrome, name: str) -> str:
    """Return one of the page's totals."""
    return str(browser.find_element(By.ID, name).text)


@pytest.mark.parametrize(("theme", "size"), LOOKS)
def test_everybody_can_use_the_sandbox(browser: Chrome, server: SandboxServer, theme: str, size: str) -> None:
    """In both themes, on a desk and on a phone, axe finds nothing wrong, and nothing reaches out of the window."""
    look(browser, theme, size)
    open_page(browser, server)
    assert violations(browser) == []
    assert sideways(browser) <= 0
    assert (ground(browser) < 64) == (theme == "dark")
    assert complaints(browser) == []


def test_the_sandbox_shows_what_happens(browser: Chrome, server: SandboxServer) -> None:
    """A survey appears while the page is open, without a reload, and markup in a name is shown as it is."""
    look(browser, "light", "desktop")
    open_page(browser, server)
    assert month.EVIL in browser.find_element(By.ID, "surveys").text
    assert browser.title == "Promoter sandbox"
    assert post(server, "/v2/survey/", {"campaign_id": 78, "contact": {"email": "cleo@example.com"}}).ok
    until(browser, lambda page: "cleo@example.com" in page.find_element(By.ID, "surveys").text)
    assert number(browser, "total-surveys") == "3"
    assert number(browser, "total-contacts") == "3"


def test_a_click_moves_the_time_on(browser: Chrome, server: SandboxServer) -> None:
    """The button for a day moves the account's clock on, so that a throttle passes."""
    look(browser, "light", "desktop")
    open_page(browser, server)
    before = server.account.now()
    assert post(server, "/v2/survey/", {"campaign_id": 78, "contact": {"email": "ann@example.com"}}).status_code == 400
    browser.find_element(By.CSS_SELECTOR, "[data-hours='24']").click()
    until(browser, lambda page: page.find_element(By.ID, "time-said").text)
    assert server.account.now() - before >= 24 * 3600
    assert post(server, "/v2/survey/", {"campaign_id": 78, "contact": {"email": "ann@example.com"}}).ok


def card(browser: Chrome, email: str) -> str:
    """Return what stands on the card of a contact."""
    # In one step: the page replaces a card that changes.
    texts = browser.execute_script(
        "return [...document.querySelectorAll('#contacts > li')].map((one) => one.innerText)"
    )
    return next((text for text in texts if email in text), "")


def test_a_card_names_the_lists_of_its_contact(browser: Chrome, server: SandboxServer) -> None:
    """Those that it joins appear without a reload, and go when it leaves them."""
    look(browser, "light", "desktop")
    open_page(browser, server)
    vips = server.account.add_list("VIPs").id
    assert post(server, "/contacts/", {"email": "ann@example.com", "contact_list": [vips]}).ok
    until(browser, lambda page: "VIPs" in card(page, "ann@example.com"))
    assert "VIPs" not in card(browser, "bob@example.com")
    assert post(server, f"/lists/{vips}/remove/", {"email": "ann@example.com"}).ok
    until(browser, lambda page: "VIPs" not in card(page, "ann@example.com"))


def test_a_click_unsubscribes_a_contact(browser: Chrome, server: SandboxServer) -> None:
    """Its card says so, it is counted, and nobody can survey it any more, whatever time goes by."""
    look(browser, "light", "desktop")
    open_page(browser, server)
    browser.find_element(By.CSS_SELECTOR, "[aria-label='Unsubscribe ann@example.com']").click()
    until(browser, lambda page: "Unsubscribed" in card(page, "ann@example.com"))
    assert not browser.find_elements(By.CSS_SELECTOR, "[aria-label='Unsubscribe ann@example.com']")
    assert number(browser, "total-unsubscribed") == "1"
    server.account.advance(48)
    assert post(server, "/v2/survey/", {"campaign_id": 78, "contact": {"email": "ann@example.com"}}).status_code == 400
    assert post(server, "/v2/survey/", {"campaign_id": 78, "contact": {"email": "bob@example.com"}}).ok


def test_a_search_finds_a_person(browser: Chrome, server: SandboxServer) -> None:
    """Typing part of an address leaves that person's cards alone on the page."""
    look(browser, "light", "desktop")
    open_page(browser, server)
    browser.find_element(By.ID, "search").send_keys("ann@")
    until(browser, lambda page: len(page.find_elements(By.CSS_SELECTOR, "#surveys > li")) == 1)
    assert "ann@example.com" in browser.find_element(By.ID, "surveys").text


def test_faults_are_set_and_taken_back(browser: Chrome, server: SandboxServer) -> None:
    """What the form sets the API meets, and `No faults` ends it."""
    look(browser, "light", "desktop")
    open_page(browser, server)
    rate = browser.find_element(By.ID, "rate")
    rate.clear()
    rate.send_keys("100")
    for box in browser.find_elements(By.CSS_SELECTOR, "#kinds input"):
        if box.is_selected() != (box.get_attribute("value") == "error"):
            box.send_keys(Keys.SPACE)
    browser.find_element(By.CSS_SELECTOR, "#faults-form [type=submit]").click()
    until(browser, lambda page: page.find_element(By.ID, "faulty").is_displayed())
    assert post(server, "/contacts/", {"email": "dan@example.com"}).status_code >= 400
    browser.find_element(By.ID, "no-faults").click()
    until(browser, lambda page: not page.find_element(By.ID, "faulty").is_displayed())
    assert post(server, "/contacts/", {"email": "dan@example.com"}).ok


def test_a_reset_asks_first(browser: Chrome, server: SandboxServer) -> None:
    """The account is emptied only after its question was answered with the button that says so."""
    look(browser, "light", "phone")
    open_page(browser, server)
    browser.find_element(By.ID, "reset").click()
    browser.find_element(By.ID, "reset-no").click()
    assert len(server.account.surveys) == 2
    browser.find_element(By.ID, "reset").click()
    assert violations(browser) == []
    browser.find_element(By.ID, "reset-yes").click()
    until(browser, lambda page: not page.find_elements(By.CSS_SELECTOR, "#surveys > li"))
    assert server.account.surveys == []


def test_a_sandbox_that_is_gone_is_told(browser: Chrome) -> None:
    """When the sandbox stops the page says that it has no connection, and keeps what it showed."""
    look(browser, "light", "desktop")
    with contextlib.ExitStack() as running:
        server = running.enter_context(SandboxServer(campaigns={78: "Orders"}, lists={}))
        assert post(server, "/v2/survey/", {"campaign_id": 78, "contact": {"email": "ann@example.com"}}).ok
        browser.get(f"{server.origin}/")
        until(browser, lambda page: page.find_elements(By.CSS_SELECTOR, "#surveys > li"))
        shown = browser.find_element(By.ID, "connection").text
    until(browser, lambda page: page.find_element(By.ID, "connection").text != shown)
    assert "ann@example.com" in browser.find_element(By.ID, "surveys").text
    leave(browser)
