"""``websockets.sync`` under gevent: what one writes first."""

from gevent import monkey

monkey.patch_all()

import ssl  # noqa: E402

from websockets.sync.client import connect  # noqa: E402

from bench.clients.job import read_job  # noqa: E402
from bench.clients.plain import Line, measure  # noqa: E402


def dial(url: str, ca_file: str | None) -> Line:
    trust = ssl.create_default_context(cafile=ca_file) if ca_file else None
    return connect(url, ssl=trust, compression=None, max_size=None)


if __name__ == "__main__":
    measure(read_job(), dial)
