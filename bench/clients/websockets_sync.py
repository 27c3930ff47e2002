"""``websockets.sync`` under gevent: what one writes first."""

from gevent import monkey

monkey.patch_all()

from websockets.sync.client import connect  # noqa: E402

from bench.clients.crowd import read_job  # noqa: E402
from bench.clients.plain import Line, measure  # noqa: E402


def dial(url: str) -> Line:
    return connect(url, compression=None, max_size=None)


if __name__ == "__main__":
    measure(read_job(), dial)
