"""Locust's web UI as its page uses it."""

import json
import re
import urllib.parse
import urllib.request

__all__ = ["WebUI"]


class WebUI:
    def __init__(self, locust, port):
        self.locust = locust
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path, **headers):
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    def post(self, path, **fields):
        data = urllib.parse.urlencode(fields).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=60) as answer:
            return json.loads(answer.read())

    def page(self):
        """What the page itself is told, Locust's own state of the test among it."""
        return json.loads(re.search(r"window.templateArgs = (\{.*\})", self.get("/"))[1])

    def form(self):
        """What the browser would post if nobody touched the form."""
        args = self.page()
        fields = {name: option["default_value"] for name, option in args["extra_options"].items()}
        posted = {
            name: "" if value is None else str(value).lower() if isinstance(value, bool) else value
            for name, value in fields.items()
        }
        return posted | {"host": args["host"], "user_count": "2", "spawn_rate": "2", "run_time": ""}

    def stats(self):
        """What the page asks for every two seconds."""
        return json.loads(self.get("/stats/requests"))

    def state(self):
        return self.stats()["state"]
