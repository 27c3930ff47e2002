"""Debian's Chromium, driven by tests as a user would: nothing but loopback is reached."""

import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

__all__ = ["CHROMIUM", "browser_page", "needs_chromium"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

FLAGS = (
    *("--disable-gpu", "--no-first-run", "--disable-sync", "--disable-background-networking"),
    *("--disable-component-update", "--disable-extensions"),
    # Whatever the page asks of a network, it doesn't get.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def browser_page(width=1400, height=1500, limit=60):
    """
    A page of a browser of its own.

    Args:
        width: Pixels.
        height: Pixels.
        limit: Seconds for whatever is waited for.

    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, chromium_sandbox=False
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(limit * 1000)
            yield page
        finally:
            browser.close()
