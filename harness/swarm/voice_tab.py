"""The tab *Voice* of Locust's web UI: the headline figures, the same as CSV, and the report."""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

import msgspec
from flask import Response, request, send_file

from harness.swarm.display import Display
from harness.swarm.headline import MISSING, PERCENTILES, Row

__all__ = ["add_voice_tab", "as_csv"]

KEY = "voice"
CSV_ROUTE = "/stats/voice/csv"
REPORT_ROUTE = "/stats/voice/report"
STATS_ROUTE = "locust.request_stats"  # what the page asks for every two seconds

COLUMNS = {
    "what": "What",  # the page would sort by a column called name
    "value": "Value, or turns",
    **{name: name for name in PERCENTILES},
    "meaning": f"What it is, or from what to what ({MISSING}: too few turns to tell)",
}


def add_voice_tab(web_ui: Any, display: Display) -> None:
    """
    Put the tab on Locust's page, its CSV and the newest report among the downloads.

    Args:
        web_ui: Locust's.
        display: What to show now.

    """
    web_ui.template_args |= {
        "extended_tabs": [{"title": "Voice", "key": KEY}],
        "extended_tables": [
            {
                "key": KEY,
                "structure": [{"key": key, "title": title} for key, title in COLUMNS.items()],
            }
        ],
        "extended_csv_files": [
            {"href": f".{CSV_ROUTE}", "title": "Download voice CSV"},
            {"href": f".{REPORT_ROUTE}", "title": "Voice report of the last test"},
        ],
    }

    @web_ui.app.after_request  # type: ignore[untyped-decorator]
    def extend(response: Response) -> Response:
        # Locust keeps this response for two seconds and gives it to several; a login page is none.
        if request.endpoint == STATS_ROUTE and response.status_code == 200 and response.is_json:
            data = [msgspec.to_builtins(row) for row in display.headline()]
            stats = msgspec.json.decode(response.get_data())
            stats["extended_stats"] = [{"key": KEY, "data": data}]
            stats["state"] = display.page_state()
            response.set_data(msgspec.json.encode(stats))
        return response

    @web_ui.app.route(CSV_ROUTE, endpoint="realtime_voice_csv")  # type: ignore[untyped-decorator]
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def download() -> Response:
        return Response(
            as_csv(display.headline()),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": "attachment; filename=voice.csv"},
        )

    @web_ui.app.route(REPORT_ROUTE, endpoint="realtime_voice_report")  # type: ignore[untyped-decorator]
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def report() -> Response:
        if display.report is None:
            return Response("No test has been reported yet.", 404, content_type="text/plain")
        return send_file(display.report)


def as_csv(rows: Sequence[Row]) -> str:
    """The rows under their columns' names."""
    text = StringIO()
    writer = csv.DictWriter(text, tuple(COLUMNS))
    writer.writeheader()
    writer.writerows(msgspec.to_builtins(row) for row in rows)
    return text.getvalue()
