"""``locustfiles/login.py``: nobody starts a load test without the password."""

import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest
from locusts import LOCUSTFILE, Locust, wait_until
from ports import free_port

pytestmark = pytest.mark.e2e

BOTH = f"{LOCUSTFILE},{LOCUSTFILE.with_name('login.py')}"
SECRETS = {"LOCUST_WEB_USER": "voice", "LOCUST_WEB_PASSWORD": "p@ss wörd"}


class Browser:
    """Keeps cookies and follows redirects; there once the web UI answers."""

    def __init__(self, locust, port):
        self.root = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        wait_until(self.answers, 30, lambda: locust.text)

    def answers(self):
        try:
            return self.open("/login")
        except (urllib.error.URLError, ConnectionError):
            return False

    def open(self, path, **fields):
        """Where one ends up, and what is there."""
        data = urllib.parse.urlencode(fields).encode() if fields else None
        with self.opener.open(self.root + path, data, timeout=20) as page:
            return page.url.removeprefix(self.root).partition("?")[0], page.read().decode()


def test_the_web_ui_asks_for_a_password_and_lets_the_right_one_in(folder):
    port = free_port()
    arguments = ("--web-login", "--web-host", "127.0.0.1", "--web-port", port)
    with Locust(folder, *arguments, locustfile=BOTH, **SECRETS) as locust:
        browser = Browser(locust, port)

        assert browser.open("/")[0] == "/login"
        assert browser.open("/swarm", user_count=1, spawn_rate=1)[0] == "/login"
        where, page = browser.open("/login_submit", username="voice", password="guess")
        assert where == "/login"
        assert "wrong password" in page
        assert browser.open("/")[0] == "/login"
        assert "realtime_users" in browser.open("/metrics")[1]
        where, page = browser.open(
            "/login_submit", username="voice", password=SECRETS["LOCUST_WEB_PASSWORD"]
        )
        assert where == "/"
        assert "templateArgs" in page


def test_a_login_without_a_password_to_ask_for_is_refused(folder):
    arguments = ("--web-login", "--web-host", "127.0.0.1", "--web-port", free_port())
    with Locust(folder, *arguments, locustfile=BOTH) as locust:
        assert locust.wait() != 0
        assert "LOCUST_WEB_USER and LOCUST_WEB_PASSWORD" in locust.text
        assert "Traceback" not in locust.text


def test_without_the_option_there_is_no_login(folder):
    port = free_port()
    with Locust(folder, "--web-host", "127.0.0.1", "--web-port", port, locustfile=BOTH) as locust:
        assert Browser(locust, port).open("/")[0] == "/"
