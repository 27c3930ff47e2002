import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest
from rundirs import crowd

from harness.cli import main

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not installed"),
]

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--enable-logging=stderr", "--virtual-time-budget=10000", "--window-size=1200,2400"),
    # Whatever the page asks of a network, it doesn't get.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


PLOTS = [
    *("ttfa", "concurrency", "outcomes", "distribution", "waterfall"),
    *("by_concurrency", "by_age", "by_turn", "worst"),
]


def browse(page, profile, *flags):
    """The document as the browser has made it, and what it said on its console."""
    child = subprocess.Popen(
        [BROWSER, *FLAGS, *flags, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        dom, log = child.communicate(timeout=90)
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(child.pid, signal.SIGKILL)
    return dom, [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = crowd(tmp_path_factory.mktemp("run"))
    main(["report", "--quiet", str(path)])
    return path / "report.html"


@pytest.mark.parametrize(("scheme", "ink"), [("0", "#a0a8b1"), ("1", "#59636e")])
def test_all_plots_are_drawn_in_the_readers_theme_and_nothing_is_complained(
    report, tmp_path, scheme, ink
):
    dom, console = browse(report, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")

    assert console == []
    assert f'data-plots="{len(PLOTS)}"' in dom
    plots = re.findall(r'<div class="plot[^"]*" id="plot-(\w+)".*?<svg.*?</svg>', dom, re.DOTALL)
    assert plots == PLOTS
    assert f'fill="{ink}"' in dom


@pytest.mark.parametrize(("scheme", "ink"), [("0", "#a0a8b1"), ("1", "#59636e")])
def test_a_comparison_is_drawn_in_the_readers_theme_too(report, tmp_path, scheme, ink):
    other = crowd(tmp_path / "other", callers=12, seconds=60, seed=2)
    main(["compare", "--quiet", str(report.parent), str(other)])

    dom, console = browse(
        other / "compare.html",
        tmp_path / "profile",
        f"--blink-settings=preferredColorScheme={scheme}",
    )

    assert console == []
    assert 'data-plots="2"' in dom
    assert f'fill="{ink}"' in dom
