"""``websocket-client`` under gevent: what users of Locust take."""

from gevent import monkey

monkey.patch_all()

from websocket import create_connection  # noqa: E402

from bench.clients.crowd import read_job  # noqa: E402
from bench.clients.plain import Line, measure  # noqa: E402


def dial(url: str) -> Line:
    return create_connection(url, skip_utf8_validation=True)


if __name__ == "__main__":
    measure(read_job(), dial)
