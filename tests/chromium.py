"""Debian's Chromium, driven by tests as a user would: nothing but loopback is reached."""

import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

__all__ = ["CHROMIUM", "assert_whole", "browser_page", "needs_chromium"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

FLAGS = (
    *("--disable-gpu", "--no-first-run", "--disable-sync", "--disable-background-networking"),
    *("--disable-component-update", "--disable-extensions"),
    # Whatever the page asks of a network, it doesn't get.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

WIDTH, HEIGHT = 1400, 1500  # pixels
PHONE = 390

# Words that stick out of what should hold them, or are cut off, and labels of one axis that touch.
CRAMPED = """() => {
    const wide = [...document.querySelectorAll('.tiles div, html')]
        .filter((box) => box.scrollWidth > box.clientWidth)
        .map((box) => box.innerText.slice(0, 80));
    const touching = [...document.querySelectorAll('.role-axis-label')].flatMap((axis) => {
        const labels = [...axis.querySelectorAll('text')]
            .filter((label) => label.getAttribute('opacity') !== '0' && label.textContent)
            .map((label) => [label.textContent, label.getBoundingClientRect()]);
        return labels.slice(1)
            .map(([text, box], n) => [labels[n][0], labels[n][1], text, box])
            .filter(([, a, , b]) => a.right + 2 > b.left && b.right + 2 > a.left
                && a.bottom > b.top && b.bottom > a.top)
            .map(([before, , text]) => `${before}|${text}`);
    });
    const cut = [...document.querySelectorAll('svg.marks')].flatMap((plot) => {
        const edge = plot.getBoundingClientRect().right + 1;
        return [...plot.querySelectorAll('.role-legend-label text')]
            .filter((label) => label.getBoundingClientRect().right > edge)
            .map((label) => `${label.textContent}, cut off`);
    });
    return [...wide, ...touching, ...cut];
}"""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def browser_page(width=WIDTH, height=HEIGHT, limit=60):
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


def assert_whole(page, report, says):
    """
    A report is whole, light on a desk and dark on a phone: nothing complained of, nobody asked,
    each plot drawn.

    Args:
        page: Of ``browser_page``.
        report: An HTML file.
        says: What is to be read on it.

    Returns:
        How many plots it has.

    """
    complaints, asked = [], []
    listeners = {
        "console": lambda message: complaints.append(message.text),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: asked.append(request.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    for scheme, width in (("light", WIDTH), ("dark", PHONE)):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme=scheme)
        page.goto(report.as_uri())
        plots = page.locator(".plot").count()
        if plots:
            page.wait_for_selector(f'[data-plots="{plots}"]', state="attached")

        assert page.locator(".plot svg").count() == plots
        assert says in page.locator("body").inner_text()
        assert not (cramped := page.evaluate(CRAMPED)), cramped
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert complaints == []
    assert all(url.startswith(("file:", "data:")) for url in asked)
    return plots
