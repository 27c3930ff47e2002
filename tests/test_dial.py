import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import gevent
import gevent.socket
import pytest
import trustme
from peers import Heard, block_until, descriptors, frame, listening, response, until
from websockets.frames import TEXT

from harness.transport import ConnectError, Refused, connect

KEY = "sk-secret-0123456789abcdef"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_context(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def tls(authority):
    return server_context(authority, "127.0.0.1")


@contextmanager
def failing(step, *, timed_out=False):
    """Dialling fails in this step with one line, and leaves no descriptor."""
    open_before = descriptors()
    with pytest.raises(ConnectError) as caught:
        yield caught
    assert (caught.value.step, caught.value.timed_out) == (step, timed_out)
    assert "\n" not in str(caught.value)
    until(lambda: descriptors() <= open_before)


def echo(peer):
    peer.upgrade().echo()


def silent(peer):
    peer.sock.recv(65536)
    peer.sock.recv(65536)


# Steps.


def test_every_step_in_clear_is_timed():
    with listening(echo) as address, Heard(address) as heard:
        steps, upgraded_at = heard.transport.steps, heard.transport.upgraded_at

    assert list(steps) == ["dns", "tcp", "upgrade"]
    assert all(0 < seconds < 10 for seconds in steps.values())
    assert 0 < time.monotonic_ns() - upgraded_at < 60e9


def test_the_upgrade_is_timed_by_the_peer_and_stamped_when_its_answer_came():
    sent = []

    def script(peer):
        peer.read_request()
        time.sleep(0.1)
        sent.append(time.monotonic_ns())
        peer.upgrade().echo()

    with listening(script) as address, Heard(address) as heard:
        assert 0.1 <= heard.transport.steps["upgrade"] < 10
        assert heard.transport.upgraded_at >= sent[0]


def test_other_greenlets_run_while_dialling():
    ran = []

    def script(peer):
        peer.read_request()
        until_set.wait()
        peer.upgrade().echo()

    until_set = threading.Event()
    with listening(script) as address:
        gevent.spawn_later(0.02, lambda: (ran.append(1), until_set.set()))
        with Heard(address):
            assert ran == [1]


# TLS.


def test_a_session_under_tls(tls, ca_file):
    protocols = []

    def script(peer):
        protocols.append(peer.sock.selected_alpn_protocol())
        peer.upgrade().echo()

    with listening(script, tls=tls) as address, Heard(address, scheme="wss", ca_file=ca_file) as h:
        sent = [b"x" * n for n in (0, 1, 125, 16_384, 300_000)]
        for message in sent:
            h.transport.write(message)

        assert h.wait(len(sent)) == sent
        assert list(h.transport.steps) == ["dns", "tcp", "tls", "upgrade"]
        assert h.transport.close().clean
    assert protocols == ["http/1.1"]


def test_many_small_messages_in_one_tls_record_and_one_in_many(tls, ca_file):
    def script(peer):
        peer.upgrade()
        peer.send(b"".join(frame(TEXT, b"%d" % n) for n in range(1000)))
        for byte in frame(TEXT, b"slow"):
            peer.send(bytes([byte]))
        peer.echo()

    with listening(script, tls=tls) as address, Heard(address, scheme="wss", ca_file=ca_file) as h:
        assert h.wait(1001) == [*(b"%d" % n for n in range(1000)), b"slow"]


def test_under_tls_a_message_is_stamped_when_it_came(tls, ca_file):
    blocked, sent = threading.Event(), []

    def script(peer):
        peer.upgrade()
        blocked.wait()
        sent.append(peer.text(b"hello"))
        peer.echo()

    with listening(script, tls=tls) as address, Heard(address, scheme="wss", ca_file=ca_file) as h:
        gevent.sleep(0.01)
        blocked.set()
        block_until(lambda: sent)
        read_after = time.monotonic_ns()
        h.wait(1)

    assert h.stamps[0] <= sent[0] <= read_after - 100_000_000


def test_under_tls_a_peer_that_does_not_read_delays_nobody_and_gets_all_in_order(tls, ca_file):
    read = threading.Event()
    received = []

    def slow(peer):
        peer.upgrade()
        read.wait()
        while len(received) < 100:
            received.append(peer.frame()[1])
        peer.echo()

    sent = [bytes([n]) * 40_000 for n in range(100)]
    with (
        listening(slow, tls=tls, receive_buffer=4096) as address,
        Heard(address, scheme="wss", ca_file=ca_file, high_water=1 << 24) as heard,
    ):
        for message in sent:
            heard.transport.write(message)
        queued = heard.transport.queued_bytes
        read.set()
        until(lambda: len(received) == 100)

    assert queued > 0
    assert received == sent


def test_an_unknown_authority_is_told_with_what_to_do(tls):
    with listening(silent, tls=tls) as address, failing("tls") as caught:
        Heard(address, scheme="wss")

    assert str(caught.value) == (
        f"{address} shows no good certificate: unable to get local issuer certificate; "
        "name its authority with --ca-file"
    )


def test_a_certificate_of_another_host_is_refused(authority, ca_file):
    tls = server_context(authority, "elsewhere.example")
    with listening(silent, tls=tls) as address, failing("tls") as caught:
        Heard(address, scheme="wss", ca_file=ca_file)

    assert "shows no good certificate: IP address mismatch" in str(caught.value)
    assert "--ca-file" not in str(caught.value)


def test_a_server_without_tls_is_told(ca_file):
    def script(peer):
        peer.sock.recv(65536)
        peer.send(response("400 Bad Request", {}))

    with listening(script) as address, failing("tls") as caught:
        Heard(address, scheme="wss", ca_file=ca_file)

    assert "is it ws:// instead of wss://?" in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_an_unusable_ca_file_is_named(tls, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with listening(silent, tls=tls) as address, failing("tls") as caught:
        Heard(address, scheme="wss", ca_file=path)

    assert f"can't read certificates from {path} (--ca-file)" in str(caught.value)


# Refusals; how each is told is in test_handshake.py.


@pytest.mark.parametrize(
    "status", ["401 Unauthorized", "403 x", "404 x", "429 x", "503 x", "302 x"]
)
def test_a_refusal_keeps_what_the_server_said(status):
    def script(peer):
        peer.read_request()
        peer.send(response(status, {"X-A": "1", "Content-Length": "3", "Location": "/"}, b"why"))

    with listening(script) as address, failing("upgrade") as caught:
        Heard(address, headers=[("Authorization", f"Bearer {KEY}")])

    assert isinstance(caught.value, Refused)
    assert caught.value.handshake.status == int(status[:3])
    assert caught.value.handshake.headers["X-A"] == "1"
    assert caught.value.handshake.body == "why"


def test_a_refusal_whose_body_never_ends_is_told_soon():
    def script(peer):
        peer.read_request()
        peer.send(response("403 x", {"Content-Length": "100"}, b"because"))
        silent(peer)

    with listening(script) as address, failing("upgrade") as caught:
        Heard(address, timeout=60)

    assert caught.value.handshake.body == "because"


def test_a_server_that_hangs_up_instead_of_answering():
    with listening(lambda peer: peer.read_request()) as address, failing("upgrade") as caught:
        Heard(address)

    assert str(caught.value) == (
        f"{address} closed the connection instead of answering the handshake"
    )


def test_a_server_that_speaks_something_else():
    def script(peer):
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        silent(peer)

    with listening(script) as address, failing("upgrade") as caught:
        Heard(address)

    assert str(caught.value) == f"{address} does not speak HTTP"


def test_keys_are_not_in_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    with listening(echo) as address:
        Heard(address, headers=[("Authorization", f"Bearer {KEY}")]).transport.abort()

    assert KEY not in caplog.text


# Hosts that are not there.


def test_a_name_that_does_not_resolve():
    with failing("dns") as caught:
        Heard("no-such-host.invalid:80")

    assert str(caught.value).startswith("can't resolve no-such-host.invalid: ")


@pytest.mark.parametrize("url", ["http://a/", "ws:///", "ws://a:x/", "nonsense", "ws://[::1/"])
def test_what_is_no_websocket_url_is_not_repeated(url):
    with failing("dns") as caught:
        connect(f"{url}?api-key={KEY}", on_message=print, on_close=print)

    assert str(caught.value).startswith("not the URL of a WebSocket")
    assert KEY not in repr(caught.value)


def test_a_resolver_that_never_answers(monkeypatch):
    monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_, **__: gevent.sleep(60))
    with failing("dns", timed_out=True) as caught:
        Heard("slow.example:80", timeout=0.1)

    assert str(caught.value) == "resolving slow.example took 0.1 s"


def test_a_port_where_nobody_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with failing("tcp") as caught:
            Heard(f"127.0.0.1:{port}")

    assert str(caught.value) == f"can't connect to 127.0.0.1:{port} (tcp): Connection refused"


@contextmanager
def full_queue():
    """The address of a host that never answers: its queue of connections is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.getsockname())
        yield "{}:{}".format(*server.getsockname())
        for each in waiting:
            each.close()


def test_a_host_that_never_answers():
    with full_queue() as address, failing("tcp", timed_out=True) as caught:
        Heard(address, timeout=0.2)

    assert str(caught.value) == f"{address} did not accept a connection in 0.2 s"


@pytest.mark.parametrize(("scheme", "step"), [("ws", "upgrade"), ("wss", "tls")])
def test_a_host_that_accepts_and_is_silent(scheme, step):
    with listening(silent) as address, failing(step, timed_out=True) as caught:
        Heard(address, scheme=scheme, timeout=0.2)

    assert address in str(caught.value)
    assert str(caught.value).endswith(" 0.2 s")


def test_all_addresses_of_a_host_are_tried(monkeypatch):
    def two(host, port, **_):
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        bad = full.partition(":")
        return [
            (*stream, ("127.0.0.1", 1)),  # refuses
            (*stream, (bad[0], int(bad[2]))),  # never answers: gets its share of the time
            (*stream, ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(gevent.socket, "getaddrinfo", two)
    with full_queue() as full, listening(echo) as address:
        port = address.partition(":")[2]
        with Heard(f"many.example:{port}", timeout=2) as heard:
            heard.transport.write(b"hello")

            assert heard.wait(1) == [b"hello"]


def test_a_greenlet_killed_while_dialling_leaves_no_descriptor():
    open_before = descriptors()
    arrived = threading.Event()

    def script(peer):
        peer.read_request()
        arrived.set()
        silent(peer)

    with listening(script) as address:
        caller = gevent.spawn(Heard, address)
        until(arrived.is_set)
        caller.kill()
    until(lambda: descriptors() == open_before)

    assert isinstance(caller.value, gevent.GreenletExit)
