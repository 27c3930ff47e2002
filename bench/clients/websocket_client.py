"""``websocket-client`` under gevent: what users of Locust take."""

from gevent import monkey

monkey.patch_all()

from websocket import create_connection  # noqa: E402

from bench.clients.job import read_job  # noqa: E402
from bench.clients.plain import Line, measure  # noqa: E402


def dial(url: str, ca_file: str | None) -> Line:
    trust = {"ca_certs": ca_file} if ca_file else None
    return create_connection(url, skip_utf8_validation=True, sslopt=trust)


if __name__ == "__main__":
    measure(read_job(), dial)
