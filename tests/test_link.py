import socket
from struct import pack

import pytest

from harness import link
from harness.link import SO_TIMESTAMPNS, Link


@pytest.fixture
def connected():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with far:
            ours = Link(near)
            yield ours
            ours.close()


def test_what_is_read_later_did_not_come_earlier(connected, monkeypatch):
    stamp = (socket.SOL_SOCKET, SO_TIMESTAMPNS, pack("ll", 50, 0))
    monkeypatch.setattr(connected, "_recvmsg", lambda *_: (b"half", [stamp], 0, None))
    wall, monotonic = iter((51_000_000_000, 51_000_000_200)), iter((7_000_000_000, 7_000_000_050))
    monkeypatch.setattr(link, "time_ns", lambda: next(wall))
    monkeypatch.setattr(link, "monotonic_ns", lambda: next(monotonic))
    stamps = [connected.read()[1] for _ in range(2)]

    assert stamps == [6_000_000_000] * 2, "its age was measured twice, and differed"
