"""What is added to Locust's web UI: a start form that refuses wrong values, and ``/metrics``."""

from collections.abc import Callable, Mapping
from contextlib import closing
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket
from time import monotonic
from typing import Any

import gevent
from flask import Response, jsonify, request
from gevent.pywsgi import WSGIServer

from harness.sinks.prometheus import Page
from harness.sinks.tally import Tally
from harness.swarm.cli_options import FORBIDDEN_IN_FORM

__all__ = [
    "MetricsServer",
    "add_metrics",
    "check_start_form",
    "keep_order",
    "metrics_page",
    "port_is_free",
]

PAUSE = 0.0005  # seconds: a timer, so that the event loop polls


def check_start_form(web_ui: Any, check: Callable[[Mapping[str, Any]], None]) -> None:
    """
    Refuse what the form posts, with the message shown in the UI, before Locust starts with it.

    Args:
        web_ui: Locust's.
        check: Given the fields posted; raises ``ValueError``.

    """
    start = web_ui.app.view_functions["locust.swarm"]

    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def checked() -> Any:
        posted = request.form.to_dict()
        try:
            _refuse_forbidden(posted)
            check(posted)
        except ValueError as error:
            host = web_ui.environment.host
            return jsonify({"success": False, "message": str(error), "host": host})
        return start()

    web_ui.app.view_functions["locust.swarm"] = checked


def keep_order(web_ui: Any) -> None:
    """Let the form show options as their table has them, what belongs together side by side."""
    web_ui.app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}


def _refuse_forbidden(posted: Mapping[str, str]) -> None:
    # Locust takes any field it knows as an option, shown in the form or not.
    for name in sorted(FORBIDDEN_IN_FORM & posted.keys()):
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"{flag} can be given on the command line only")


def metrics_page(source: Callable[[], Tally]) -> Page:
    """A page of what ``source`` counted, made while callers go on."""
    return Page(source, monotonic, pause=lambda: gevent.sleep(PAUSE))


def add_metrics(web_ui: Any, page: Page) -> None:
    """Serve ``page`` at ``/metrics`` of Locust's web port."""

    def metrics() -> Response:
        body, content_type = page.render(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    web_ui.app.add_url_rule("/metrics", "realtime_metrics", metrics)


class MetricsServer:
    """
    ``/metrics`` on a port of its own.

    Raises:
        OSError: If the port can't be had.

    """

    def __init__(self, port: int, page: Page) -> None:
        self._page = page
        self._server = WSGIServer(("", port), self._answer, log=None, error_log=None)
        self._server.start()

    def stop(self) -> None:
        """Serve no longer."""
        self._server.stop(timeout=0.1)

    def _answer(self, environ: Mapping[str, Any], start_response: Any) -> list[bytes]:
        if environ.get("PATH_INFO") not in ("/metrics", "/metrics/"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"metrics are at /metrics\n"]
        body, content_type = self._page.render(environ.get("HTTP_ACCEPT", ""))
        start_response("200 OK", [("Content-Type", content_type)])
        return [body]


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with closing(socket(AF_INET6 if ":" in host else AF_INET)) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
