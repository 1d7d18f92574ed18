"""The explorer in a real browser: with scripts, without, for every reader.

`ASSAY_SCREENSHOTS=docs/images pytest tests/integration/gateway/test_browser.py` takes
the pictures of the documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.machines.browser import browser, serious_findings
from tests.support.network.gateway import GatewayMarket, GatewayProcess

PROMPT = "It is a truth universally acknowledged, that"
PATIENCE_MS = 120_000
SCREENSHOTS = os.environ.get("ASSAY_SCREENSHOTS")
PHONE = (390, 844)
DESK = (1280, 900)
Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Watched:
    """A job that was asked for in the playground and watched to its end."""

    job_path: str
    asked_path: str


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def watched(gateway: GatewayProcess, chromium: Browser) -> Watched:
    """Submits in the playground, watches it settle, checks the receipt."""
    context = _context(chromium, gateway, DESK, "light")
    page = context.new_page()
    page.goto("/playground")
    page.get_by_label("API key").fill(gateway.key()[1])
    page.get_by_label("Prompt").fill(PROMPT)
    page.get_by_label("Most new tokens").fill("12")
    page.get_by_label("Seed").fill("4")
    page.get_by_role("button", name="Ask").click()

    # No reload: the page follows by itself.
    done = page.get_by_text("verified and paid for")
    expect(done).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", name="Verified answer")).to_be_visible()
    asked = page.url
    page.get_by_role("link", name="check it").click()
    expect(page.get_by_text("Every check holds")).to_be_visible(timeout=PATIENCE_MS)
    page.goto(asked)
    page.locator("main a[href^='/jobs/0x']").click()
    step = page.get_by_text("settled as Accepted")
    expect(step).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("table").first).to_be_visible()
    job = page.url
    context.close()
    return Watched(job.removeprefix(gateway.url), asked.removeprefix(gateway.url))


def _context(
    chromium: Browser,
    gateway: GatewayProcess,
    size: tuple[int, int],
    scheme: Scheme,
    *,
    scripts: bool = True,
    bypass_csp: bool = False,
) -> BrowserContext:
    width, height = size
    return chromium.new_context(
        base_url=gateway.url,
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        java_script_enabled=scripts,
        bypass_csp=bypass_csp,
    )


def _paths(watched: Watched, market: GatewayMarket) -> dict[str, str]:
    worker = market.network.workers[0].address
    job_id = watched.job_path.rpartition("/")[2]
    return {
        "market": "/",
        "jobs": "/jobs",
        "job": watched.job_path,
        "workers": "/workers",
        "worker": f"/workers/{worker}",
        "models": "/models",
        "model": "/models/0x" + market.model_id.hex(),
        "playground": "/playground",
        "asked": watched.asked_path,
        "receipts": f"/receipts?job={job_id}",
    }


def test_playground_from_prompt_to_checked_receipt_works(watched: Watched) -> None:
    """The steps are the fixture's, which others build on."""
    assert watched.job_path.startswith("/jobs/0x")


def test_pages_without_scripts_say_the_same(
    chromium: Browser,
    gateway: GatewayProcess,
    market: GatewayMarket,
    watched: Watched,
) -> None:
    context = _context(chromium, gateway, DESK, "light", scripts=False)
    page = context.new_page()
    for name, path in _paths(watched, market).items():
        page.goto(path)
        assert page.locator("h1").inner_text(), name
    page.goto(watched.job_path)
    expect(page.get_by_text("settled as Accepted")).to_be_visible()
    page.goto("/jobs?state=accepted")
    assert page.locator("tbody tr").count() >= 1
    context.close()


def test_market_page_moves_with_the_chain(
    chromium: Browser,
    gateway: GatewayProcess,
    market: GatewayMarket,
    watched: Watched,
) -> None:
    context = _context(chromium, gateway, DESK, "light")
    page = context.new_page()
    page.goto("/")
    status = page.get_by_role("status")
    expect(status).to_contain_text("live, block", timeout=PATIENCE_MS)
    before = status.inner_text()
    market.network.chain.mine()
    expect(status).not_to_have_text(before, timeout=PATIENCE_MS)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_on_every_page_finds_nothing_serious(
    chromium: Browser,
    gateway: GatewayProcess,
    market: GatewayMarket,
    watched: Watched,
    scheme: Scheme,
) -> None:
    # Axe is put into the page, which the page's own rules forbid.
    context = _context(chromium, gateway, DESK, scheme, bypass_csp=True)
    page = context.new_page()
    found: dict[str, list[str]] = {}
    for name, path in _paths(watched, market).items():
        page.goto(path)
        found[name] = serious_findings(page)
    context.close()
    assert found == {name: [] for name in found}


def test_pages_on_a_phone_do_not_scroll_sideways(
    chromium: Browser,
    gateway: GatewayProcess,
    market: GatewayMarket,
    watched: Watched,
) -> None:
    context = _context(chromium, gateway, PHONE, "light")
    page = context.new_page()
    wide = {
        name: _overflow(page, path) for name, path in _paths(watched, market).items()
    }
    context.close()
    assert wide == dict.fromkeys(wide, 0)


def _overflow(page: Page, path: str) -> int:
    page.goto(path)
    width = "document.scrollingElement.scrollWidth - window.innerWidth"
    return max(0, int(page.evaluate(width)))


def test_keyboard_reaches_the_content_and_every_page(
    chromium: Browser, gateway: GatewayProcess
) -> None:
    context = _context(chromium, gateway, DESK, "light")
    page = context.new_page()
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.goto("/")
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    menu = ["Market", "Jobs", "Workers", "Models", "Playground", "Receipts"]
    assert [text for text in reached if text in menu] == menu
    context.close()


@pytest.mark.skipif(SCREENSHOTS is None, reason="only takes pictures for the docs")
def test_screenshots_of_every_page_are_taken(
    chromium: Browser,
    gateway: GatewayProcess,
    market: GatewayMarket,
    watched: Watched,
) -> None:
    assert SCREENSHOTS is not None
    folder = Path(SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    paths = _paths(watched, market)
    views: list[tuple[str, tuple[int, int], Scheme]] = [
        *((name, DESK, "light") for name in paths),
        ("market", DESK, "dark"),
        ("job", PHONE, "light"),
    ]
    for name, size, scheme in views:
        context = _context(chromium, gateway, size, scheme)
        page = context.new_page()
        page.goto(paths[name])
        expect(page.locator("h1")).to_be_visible()
        place = "-phone" if size == PHONE else ""
        tone = "-dark" if scheme == "dark" else ""
        path = folder / f"explorer-{name}{place}{tone}.png"
        page.screenshot(path=path, full_page=size == DESK)
        context.close()
