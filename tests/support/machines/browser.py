"""A real Chromium: the one of the locked Node packages, unpacked at its first use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["AXE", "browser", "serious_findings"]

_ROOT = Path(__file__).resolve().parents[3]
AXE = _ROOT / "node_modules" / "axe-core" / "axe.min.js"
_UNPACK = (
    "import('@sparticuz/chromium').then(async (chromium) => "
    "console.log(await chromium.default.executablePath()))"
)
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
_SERIOUS = ("serious", "critical")


def _executable() -> str:
    """Path of a Chromium; fails with what to do where none can be had."""
    done = subprocess.run(
        ["node", "--eval", _UNPACK],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout.strip()
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, f"no Chromium: run `make setup`, or install one; {done.stderr}"
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser that reaches nothing but this machine."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=_executable(), args=list(_OPTIONS)
        )
        try:
            yield running
        finally:
            running.close()


def serious_findings(page: Page) -> list[str]:
    """What axe finds on a page that keeps people out; its context must bypass CSP."""
    page.add_script_tag(path=AXE)
    report: dict[str, Any] = page.evaluate("axe.run()")
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in report["violations"]
        if found["impact"] in _SERIOUS
        for node in found["nodes"]
    ]
